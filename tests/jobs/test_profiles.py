"""The version of a profile: the digest that facts name."""

from datetime import UTC, datetime

import pytest

from pipelines.jobs.profiles import profile_version

SAID = {
    "factory": "a1",
    "valid_from": datetime(2025, 11, 1, tzinfo=UTC),
    "zone": None,
    "meters": [{"meter": "main", "valid_from": None}],
    "sequence": 3,
}


def test_a_field_that_the_contract_gained_changes_no_version_of_a_profile_that_does_not_say_it() -> None:
    assert profile_version({**SAID, "template": None}) == profile_version(SAID)
    assert profile_version({**SAID, "template": "casting"}) != profile_version(SAID)


def test_a_meter_of_which_no_calibration_is_told_changes_no_version_and_one_that_is_does() -> None:
    silent = {"meter": "main", "valid_from": None, "calibrated_on": None, "calibration_due": None}
    assert profile_version({**SAID, "meters": [silent]}) == profile_version(SAID)
    told = {**silent, "calibrated_on": "2024-05-02"}
    assert profile_version({**SAID, "meters": [told]}) != profile_version(SAID)


@pytest.mark.parametrize("change", [{"zone": "Asia/Seoul"}, {"sequence": 4}, {"meters": []}])
def test_whatever_else_a_profile_says_makes_another_version(change: dict[str, object]) -> None:
    assert profile_version({**SAID, **change}) != profile_version(SAID)
