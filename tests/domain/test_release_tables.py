"""What a night withholds beside the unsafe: groups that differ by one, siblings, versions of a day."""

from fractions import Fraction

from pipelines.domain.disclosure.policy import TablePolicy
from pipelines.domain.disclosure.release import Checks
from tests.domain.release_night import Amounts, equal, figure, kwh, night, outcome, policy, rules

TEN = [f"f{i}" for i in range(10)]


def test_two_safe_groups_that_differ_by_one_member_are_not_published_together() -> None:
    # x is f0-f4, s is f0-f3: both are safe, their difference is f4's 1000 to the kWh
    everybody = kwh(equal(1000.0, *TEN))
    x = kwh(equal(1000.0, *TEN[:5]), breakdown="region", group="x")
    s = kwh(equal(1000.0, *TEN[:4]), breakdown="size", group="s")
    assert outcome(night([everybody, x])) == {"* energy_kwh": "publish", "x energy_kwh": "publish"}
    assert outcome(night([everybody, x, s])) == {
        "* energy_kwh": "publish", "x energy_kwh": "publish", "s energy_kwh": "secondary",
    }  # fmt: skip


def test_a_withheld_group_takes_a_second_one_along() -> None:
    # y has two holdings: unsafe. Total minus x is y: so x goes too, or the total: x has fewer factories.
    everybody = kwh(equal(1000.0, *TEN))
    x = kwh(equal(1000.0, *TEN[:5]), breakdown="process", group="x")
    z = kwh(equal(1000.0, *TEN[5:8]), breakdown="process", group="z")
    y = kwh(equal(1000.0, *TEN[8:]), breakdown="process", group="y")
    assert outcome(night([everybody, x, y, z])) == {
        "* energy_kwh": "publish", "x energy_kwh": "publish",
        "y energy_kwh": "min_contributors;p_percent", "z energy_kwh": "secondary",
    }  # fmt: skip


def test_late_data_of_one_member_do_not_show_in_the_difference_of_two_totals() -> None:
    # the provisional total is of nine; with the tenth's late 1000 kWh it would differ by just that
    first = night([kwh(equal(1000.0, *TEN[:9]))])
    assert outcome(first) == {"* energy_kwh": "publish"}
    late = kwh(equal(1000.0, *TEN))
    past = list(first.values())
    assert outcome(night([late], past, rules(night=2))) == {"* energy_kwh": "differencing"}
    without = Checks(history=False)
    assert outcome(night([late], past, rules(night=2), without)) == {"* energy_kwh": "publish"}


def test_the_same_figure_again_stays_published() -> None:
    first = night([kwh(equal(1000.0, *TEN))])
    again = night([kwh(equal(1000.0, *TEN))], list(first.values()), rules(night=2))
    assert outcome(again) == {"* energy_kwh": "publish"}
    (one,), (two,) = first.values(), again.values()
    assert (one.statements, two.known_at_us) == (two.statements, 2)


def test_a_restated_amount_of_one_is_told_by_no_second_total() -> None:
    # f0 corrects 1000 to 1400: the new total is 400 more, f0's alone to anybody who knows who sent
    # again; but nobody knows f0's level from it: both totals leave f0 and another free.
    first = night([kwh(equal(1000.0, *TEN))])
    second = night([kwh({**equal(1000.0, *TEN), "f0": 1400.0})], list(first.values()), rules(night=2))
    assert outcome(second) == {"* energy_kwh": "publish"}


def test_energy_and_emissions_are_one_variable() -> None:
    # kWh of nine, kg CO2e (0.4 a kWh) of ten: the difference is f9's
    energy = kwh(equal(1000.0, *TEN[:9]))
    carbon = figure("co2e_kg", equal(400.0, *TEN))
    assert list(outcome(night([energy, carbon])).values()).count("secondary") == 1
    (statement,) = night([carbon, kwh(equal(1000.0, *TEN))])[
        "c/cluster/*/day/2026-05-04/co2e_kg@1"
    ].statements
    assert {(t.unknown.variable, t.unknown.amount, t.coefficient) for t in statement.terms} == {
        ("electricity", 1000.0, 0.4)
    }


def test_scrap_and_quality_are_one_variable() -> None:
    # good 95 of 100, scrap 5 of 100: the unknown is good units, scrap's coefficient is -1
    good: Amounts = dict.fromkeys(TEN, (95.0, 100.0))
    scrap: Amounts = dict.fromkeys(TEN, (5.0, 100.0))
    decided = night([figure("quality_ratio", good, step=0.05), figure("scrap_ratio", scrap, step=0.005)])
    for name, coefficient in (("quality_ratio", 1.0), ("scrap_ratio", -1.0)):
        (statement,) = decided[f"c/cluster/*/day/2026-05-04/{name}@1"].statements
        assert {(t.unknown.variable, t.unknown.amount, t.coefficient, t.most) for t in statement.terms} == {
            ("quality", 95.0, coefficient, 100.0)
        }


def test_siblings_whose_sum_is_unsafe_are_not_enough() -> None:
    # a: one giant of 10000 and b: three small ones: unsafe together too (rest 300 < 1000); total - c tells it
    amounts = {"a1": 10000.0, "a2": 100.0, "b1": 100.0, "b2": 100.0, "b3": 100.0}
    others = dict.fromkeys(("c1", "c2", "c3", "c4", "d1", "d2", "d3", "d4", "d5"), 3000.0)
    groups = [
        kwh({k: v for k, v in {**amounts, **others}.items() if k[0] == g}, breakdown="process", group=g)
        for g in "abcd"
    ]
    decided = outcome(night([kwh({**amounts, **others}), *groups]))
    assert decided["a energy_kwh"] == "min_contributors;p_percent"
    assert decided["* energy_kwh"] == "publish"
    assert {decided["c energy_kwh"], decided["d energy_kwh"]} != {"publish"}


def test_the_answer_does_not_depend_on_the_order_of_the_candidates() -> None:
    given = [
        kwh(equal(1000.0, *TEN)),
        kwh(equal(1000.0, *TEN[:5]), breakdown="region", group="x"),
        kwh(equal(1000.0, *TEN[5:]), breakdown="region", group="y"),
        kwh(equal(1000.0, *TEN[:4]), breakdown="size", group="s"),
        figure("co2e_kg", equal(400.0, *TEN[1:])),
    ]
    assert night(given) == night(given[::-1])


def test_without_a_coalition_holdings_are_not_judged() -> None:
    given = rules(policy(TablePolicy(min_contributors=3)))
    x = kwh(equal(1000.0, *TEN[:5]), breakdown="region", group="x")
    s = kwh(equal(1000.0, *TEN[:4]), breakdown="size", group="s")
    assert set(outcome(night([x, s], given=given)).values()) == {"publish"}


def test_an_unsafe_sum_is_not_told_by_a_safe_figure_of_the_same_amounts() -> None:
    # All scrap, 10 of 500, is e's: the quality ratio is unsafe by its complement. OEE's own complement, time,
    # is spread over all five: safe. But 2 s x gq over 400 s each, told to 0.0001, is gq to 0.1 of 490.
    # Holdings aren't judged here: the sum alone decides.
    quality = figure(
        "quality_ratio", {**equal((100.0, 100.0), "a", "b", "c", "d"), "e": (90.0, 100.0)}, step=0.01
    )
    oee = figure("oee", {**equal((200.0, 400.0), "a", "b", "c", "d"), "e": (180.0, 400.0)}, step=0.0001)
    given = rules(policy(TablePolicy(min_contributors=3, p_percent=Fraction(10))))
    found = outcome(night([quality, oee], given=given))
    assert found["* oee"] == "secondary"
    assert "p_percent" in found["* quality_ratio"]
    assert outcome(night([oee], given=given)) == {"* oee": "publish"}
