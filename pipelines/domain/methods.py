"""The version of the rules by which each table of facts is computed.

Belongs here: one number per table and, for each, one line that says what changed. Raise it in the commit
that changes a rule so that other values come out: the next night then computes every stored day anew, and
final days whose values change are restated with the cause `method_change`.

Does not belong here: versions of KPI definitions (pipelines/reference/kpis.yaml).
"""

METHOD = "method"
"""Under which name a table's commit records the version that its rows were computed by."""

MAX_GAP = "setting/max_gap_s"
"""Likewise the longest gap that was bridged [s]: a setting, but another one gives other values too."""

FIRST = 1
"""What computed rows of which no commit says their method."""

METHODS: dict[str, int] = {
    # 2: what flowed back through a bidirectional meter is kept apart (`exported`).
    "facts_energy": 2,
    "facts_machine": FIRST,
    "facts_operations": FIRST,
}
