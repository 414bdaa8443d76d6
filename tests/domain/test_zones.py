from datetime import UTC, date, datetime

import polars as pl
import pytest

from pipelines.domain.zones import local_days

ZONES = pl.DataFrame(
    {
        "factory": ["a1", "b1", "b1", "c1"],
        "valid_from": [datetime(2025, 1, 1, tzinfo=UTC)] * 2 + [datetime(2025, 6, 1, tzinfo=UTC)] * 2,
        "zone": ["Asia/Seoul", "Asia/Seoul", "Europe/Berlin", "Europe/Berlin"],
    },
    schema={"factory": pl.String, "valid_from": pl.Datetime("us", "UTC"), "zone": pl.String},
)
EVENING = datetime(2025, 7, 1, 20, 0, tzinfo=UTC)  # 05:00 of the next day in Seoul, 22:00 in Berlin


def events(*of: tuple[str, datetime]) -> pl.DataFrame:
    schema = {"factory": pl.String, "at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(list(of), schema=schema, orient="row")


@pytest.mark.parametrize("factories", [("a1",), ("c1",), ("a1", "c1"), ("c1", "a1", "a1")])
def test_events_of_one_zone_and_of_several_get_the_same_days_in_their_own_order(
    factories: tuple[str, ...],
) -> None:
    expected = {"a1": date(2025, 7, 2), "c1": date(2025, 7, 1)}
    found = local_days(events(*((f, EVENING) for f in factories)), ZONES)
    assert found.to_list() == [expected[f] for f in factories]


def test_a_factory_that_moved_has_the_zone_of_the_event() -> None:
    winter = datetime(2025, 2, 1, 20, 0, tzinfo=UTC)
    found = local_days(events(("b1", EVENING), ("b1", winter)), ZONES)
    assert found.to_list() == [date(2025, 7, 1), date(2025, 2, 2)]


def test_a_factory_without_a_zone_is_named_even_beside_others_of_one_zone() -> None:
    with pytest.raises(ValueError, match="no zone is known for z9"):
        local_days(events(("a1", EVENING), ("z9", EVENING)), ZONES)


def test_no_events_have_no_days() -> None:
    assert local_days(events(), ZONES).to_list() == []
