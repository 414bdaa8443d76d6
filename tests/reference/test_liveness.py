"""The limits of the liveness report."""

import polars as pl
import pytest

from pipelines.domain.liveness.observed import REASONS
from pipelines.reference import liveness
from pipelines.reference.liveness import liveness_limits, liveness_table


def test_every_limit_has_a_unit_a_known_reason_and_a_why() -> None:
    table = liveness_table()
    assert set(table["reason"]) == {*REASONS, "*"}
    assert table["why"].str.len_chars().min() > 10  # type: ignore[operator]


def test_the_limits_are_those_of_the_table() -> None:
    limits = liveness_limits()
    assert limits.silent_h == 6.0
    assert limits.look_back_days == 31
    assert [limits.weight(reason) for reason in REASONS] == [50, 20, 40, 55, 60, 30, 40, 35]


@pytest.mark.parametrize("change", ["missing", "twice"])
def test_a_limit_that_is_missing_or_stands_twice_is_refused(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = liveness_table()
    broken = {"missing": table.slice(1), "twice": pl.concat([table, table.slice(0, 1)])}[change]
    monkeypatch.setattr(liveness.pl, "read_csv", lambda *_a, **_k: broken)
    liveness_limits.cache_clear()
    with pytest.raises(ValueError, match=r"liveness\.csv"):
        liveness_limits()
    monkeypatch.undo()
    assert liveness_limits().look_back_days == 31
