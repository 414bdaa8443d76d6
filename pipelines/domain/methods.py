"""The version of the rules by which each table of facts is computed.

Belongs here: one number per table and, for each, one line that says what changed. Raise it in the commit
that changes a rule so that other values come out: the next night then computes every stored day anew, and
final days whose values change are restated with the cause `method_change`.

Does not belong here: versions of KPI definitions (pipelines/reference/kpis.yaml).
"""

from importlib.metadata import version
from typing import Final

CODE_VERSION: Final = version("digital-cluster")
"""The version of the installed code, which every commit names."""

METHOD = "method"
"""Under which name a table's commit records the version that its rows were computed by."""

MAX_GAP, MAX_STATE, MAX_SILENCE = "setting/max_gap_s", "setting/max_state_s", "setting/max_silence_s"
SETTINGS: dict[str, int | None] = {MAX_GAP: None, MAX_STATE: 0, MAX_SILENCE: 0}
"""Likewise settings, for another one gives other values too: name -> what holds for rows of which no commit
says theirs; null: not known. MAX_GAP is the longest gap that is bridged [s], MAX_STATE the longest that a
state holds without news, MAX_SILENCE the longest that states hold while all of the factory's machines are
silent [s; 0: no bound]."""

FIRST = 1
"""What computed rows of which no commit says their method."""

METHODS: dict[str, int] = {
    # 2: what flowed back through a bidirectional meter is kept apart (`exported`).
    "facts_energy": 2,
    # 2: the first state that a machine ever tells may be a failure at midnight too, as at any other time.
    "facts_machine": 2,
    "facts_operations": FIRST,
}
