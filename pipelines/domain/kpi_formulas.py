"""What a KPI's definition is: elements, a formula over them in one declared form, versions.

Belongs here: the grammar of formulas, what follows from a formula's elements, and the look-up of a definition
by id and version. Does not belong here: the definitions themselves (pipelines/reference/kpis.yaml), their
arithmetic on frames (pipelines.domain.kpi_evaluation).

A formula is a quotient of sums, perhaps scaled, or a product of such:

    3600 * sum(pq) / sum(aoet_s)
    sum(pru_s * gq) / sum(pbt_s - unknown_s)
    sum(tbf_s) / (sum(failures) + 1)
    sum(aupt_s) / sum(pbt_s - unknown_s) * kpi(effectiveness, 1) * kpi(quality_ratio_time, 1)
    sum(energy_kwh)

`sum` runs over products and units. A product of two elements is made row by row, before the sum: both are
elements that a product has. A `kpi` names the version that it means, so that it keeps its figures.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Stands = Literal["product", "unit"]
MeasuredAt = Literal["machine", "factory", "both"]
OverTime = Literal["sum", "mean"]
Statistic = Literal["total", "count", "ratio_of_sums", "order_statistic"]
ANY_CLASS = "*"
_OUTPUT = "unit"


@dataclass(frozen=True)
class Grid:
    """Public grid that published values are rounded to; it never depends on a period's values.

    Args:
        step: distance of its points, in the KPI's unit.
        reference_level: usual size of the KPI, of which the step is at least 5 %; null: not a ratio.
    """

    step: float
    reference_level: float | None


@dataclass(frozen=True)
class Element:
    """Something measured that formulas are made of.

    Args:
        element: its id, which is also its column.
        standard: the list that it belongs to (`iso22400`), or null.
        name_ko: Korean name.
        name_en: English name.
        unit: its unit; `s` for times.
        stands: `product`: once for each product of a unit; `unit`: once for a unit (a machine, a factory).
        disclosure_class: A or B: what a competitor could misuse.
        variable: what it is to an attacker: elements that are the same up to public constants share one.
        stream: what tells it (the stream, or the profile).
        measured_at: where it is known: of each machine, of the factory as a whole, or of both (energy: the
            factory's is that of its main meters, never the sum of its machines').
        over_time: how days of it become months: a flow adds up, a stock (people employed) is a mean.
        may_be_absent: its absence means that there is nothing of it (time without a known state).
        derived_from: elements that it is the sum of where it is not given; empty: it is never derived.
        complement_of: element of the same variable that is what this one lacks to a share's bound (scrap, of
            what was made, is what isn't good); null: there is none.
    """

    element: str
    standard: str | None
    name_ko: str
    name_en: str
    unit: str
    stands: Stands
    disclosure_class: Literal["A", "B"]
    variable: str
    stream: str
    measured_at: MeasuredAt
    over_time: OverTime
    may_be_absent: bool = False
    derived_from: tuple[str, ...] = ()
    complement_of: str | None = None

    @property
    def output_degree(self) -> int:
        """Return the power of units of output in its unit: 1 of `unit` and `unit d`, -1 of `s/unit`."""
        above, _, below = self.unit.partition("/")
        return above.split().count(_OUTPUT) - below.split().count(_OUTPUT)


@dataclass(frozen=True)
class Term:
    """A coefficient times one element, or times a product of two."""

    coefficient: float
    elements: tuple[str, ...]

    @property
    def column(self) -> str:
        """Name of the column that holds the term's sum without its coefficient."""
        return "*".join(self.elements)


@dataclass(frozen=True)
class Sum:
    """A sum of terms over rows, plus a constant that is added once."""

    terms: tuple[Term, ...]
    constant: float = 0.0

    @property
    def text(self) -> str:
        """The sum as it is written in a formula."""
        signed = [f"{'-' if t.coefficient < 0 else '+'} {_amount(t)}" for t in self.terms]
        return " ".join(signed).removeprefix("+ ")


@dataclass(frozen=True)
class Formula:
    """scale x product of the sums above the line / product of the sums below it.

    Args:
        text: as it was declared.
        scale: constant factor.
        above: sums above the line.
        below: sums below the line; empty: a total.
    """

    text: str
    scale: float
    above: tuple[Sum, ...]
    below: tuple[Sum, ...]

    @property
    def sums(self) -> tuple[Sum, ...]:
        """All sums in the order of the formula, those above the line first."""
        return (*self.above, *self.below)

    @property
    def elements(self) -> tuple[str, ...]:
        """Ids of its elements, each once, in the order of the formula."""
        return tuple(dict.fromkeys(e for s in self.sums for t in s.terms for e in t.elements))


@dataclass(frozen=True)
class Definition:
    """One version of one KPI.

    Args:
        kpi: its id.
        version: a changed formula is a new version.
        family: methodology page that explains it.
        standard: the list that it comes from (`iso22400`), or null.
        name_ko: Korean name.
        name_en: English name.
        meaning_ko: what it tells, Korean.
        meaning_en: what it tells, English.
        formula: over elements.
        unit: of its value; `1` is a share, of which more than all is marked `above_one`.
        direction: which way is better.
        disclosure_class: A or B.
        statistic: what is published of a group.
        breakdown: whether groups are the whole cluster or a process.
        share_bound: b where the numerator is at most b denominators (a share); null: no share.
        minimum_coverage: below it there is no value.
        comparison_coverage: of a ratio: least coverage of a value that enters a comparison between members;
            of a total: least coverage of the group's figure.
        grids: public grid by product class; `*` for any; empty: none was agreed, so it is never published.
        source: of the formula.
        released: whether groups have figures of it behind the gate; of two ids for the same thing only one.
        expected: whether every factory has a row of it, also one that told nothing of it.
        denominator_class: disclosure class of what is below the line; null: a total.
        linked_elements: elements that are one variable for an attacker, up to public constants.
        of_one_stream: whether one stream tells all of its elements, so that each knows the same time.
        base: the least unit that it is computed for before anything is summed: a machine, or a factory where
            only the factory has some element.
        of_machine: whether a machine can have it too.
        counts_output: whether its unit has units of output in it: those of several product classes can't be
            added. Of a ratio of quantities they cancel.
        over_time: how its sums of days become those of a month.
        monthly: whether the carbon ledger tells any of its elements: it is of calendar months only.
    """

    kpi: str
    version: str
    family: str
    standard: str | None
    name_ko: str
    name_en: str
    meaning_ko: str
    meaning_en: str
    formula: Formula
    unit: str
    direction: Literal["lower", "higher"]
    disclosure_class: Literal["A", "B"]
    statistic: Statistic
    breakdown: Literal["cluster", "process"]
    share_bound: float | None
    minimum_coverage: float
    comparison_coverage: float
    grids: Mapping[str, Grid]
    source: str
    released: bool
    expected: bool
    denominator_class: str | None
    linked_elements: frozenset[str]
    of_one_stream: bool
    base: Literal["machine", "factory"]
    of_machine: bool
    counts_output: bool
    over_time: OverTime
    monthly: bool = False

    @property
    def addends(self) -> tuple[str, ...]:
        """Elements of a total of several, whose own totals it adds; empty: it is of one, or a ratio."""
        terms = self.formula.above[0].terms if self.is_total else ()
        return tuple(name for term in terms for name in term.elements) if len(terms) > 1 else ()

    @property
    def adds_up(self) -> bool:
        """Say whether it is one sum over another without a constant: those of several factories add up.

        What adds elements of scopes doesn't: a ratio of few would tell a total that may be withheld.
        """
        formula = self.formula
        plain = len(formula.above) == len(formula.below) == 1
        several = self.monthly and plain and len(formula.above[0].terms) > 1
        return plain and not several and not any(part.constant for part in formula.sums)

    @property
    def is_total(self) -> bool:
        """Say whether there is nothing below the line."""
        return not self.formula.below

    def grid_for(self, product_class: str | None) -> Grid | None:
        """Return the grid of a product class; null: none was agreed, so nothing can be published on it."""
        return self.grids.get(product_class or ANY_CLASS, self.grids.get(ANY_CLASS))

    @property
    def key(self) -> str:
        """Id and version, as the ledger writes them."""
        return f"{self.kpi}@{self.version}"


Catalogue = Mapping[str, Definition]


@dataclass(frozen=True)
class KpiBook:
    """Everything that figures are defined by.

    Args:
        definitions: id -> its versions, the newest last.
        elements: id -> element, derived ones after what they are derived from.
    """

    definitions: Mapping[str, tuple[Definition, ...]]
    elements: Mapping[str, Element]

    def find(self, name: str) -> Definition | None:
        """Return the newest version of an id, or the one that `id@version` names; null: there is none."""
        kpi, _, version = name.partition("@")
        versions = self.definitions.get(kpi, ())
        found = [d for d in versions if d.version == version] if version else list(versions)
        return found[-1] if found else None

    def newest(self) -> tuple[Definition, ...]:
        """Return the newest version of every id, in the order of the catalogue."""
        return tuple(versions[-1] for versions in self.definitions.values())

    def all_versions(self) -> tuple[Definition, ...]:
        """Return every version of every id, in the order of the catalogue."""
        return tuple(d for versions in self.definitions.values() for d in versions)

    def released(self) -> dict[str, Definition]:
        """Return what groups have figures of behind the gate, by key, in the order of the catalogue."""
        return {d.key: d for d in self.all_versions() if d.released}

    def expected(self) -> frozenset[str]:
        """Return the ids of which every factory has a row."""
        return frozenset(kpi for kpi, versions in self.definitions.items() if versions[-1].expected)

    def of_standard(self, standard: str) -> tuple[Definition, ...]:
        """Return the newest versions of one list, such as `iso22400`."""
        return tuple(d for d in self.newest() if d.standard == standard)


def output_degree(formula: Formula, elements: Mapping[str, Element]) -> int:
    """Return the power of units of output in a formula's unit: 0 of a ratio of quantities or of times.

    Raises:
        ValueError: a sum adds amounts of different powers.
    """

    def of_sum(part: Sum) -> int:
        degrees = {sum(elements[n].output_degree for n in term.elements) for term in part.terms}
        if len(degrees) != 1:
            raise ValueError(f"formula {formula.text!r}: {part.text} adds output to something else")
        return degrees.pop()

    return sum(map(of_sum, formula.above)) - sum(map(of_sum, formula.below))


def sources_of(names: Iterable[str], elements: Mapping[str, Element]) -> tuple[str, ...]:
    """Return elements with what they are derived from, each once, a derived one before its parts."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        found.setdefault(name)
        waiting.extend(elements[name].derived_from)
    return tuple(found)


Resolve = Callable[[str, str], Formula]


def parse_formula(text: str, elements: Mapping[str, Element], resolve: Resolve) -> Formula:
    """Read a formula.

    Args:
        text: in the form at the head of this module.
        elements: those that it may use.
        resolve: gives the formula of a KPI's id and version.

    Raises:
        ValueError: another form, an element that is not declared, a product of elements that don't stand on
            the same row.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"formula {text!r} can't be read: {error.msg}") from error
    reader = _Reader(text, elements, resolve)
    scale = 1.0
    above: list[Sum] = []
    below: list[Sum] = []
    for node, divides in _factors(tree, divides=False):
        part = reader.factor(node)
        scale = scale / part.scale if divides else scale * part.scale
        (below if divides else above).extend(part.above)
        (above if divides else below).extend(part.below)
    if not above:
        raise ValueError(f"formula {text!r} has no sum above the line")
    return Formula(text, scale, tuple(above), tuple(below))


def _factors(node: ast.expr, *, divides: bool) -> Iterator[tuple[ast.expr, bool]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from _factors(node.left, divides=divides)
        yield from _factors(node.right, divides=divides != isinstance(node.op, ast.Div))
    else:
        yield node, divides


def _amount(term: Term) -> str:
    size = abs(term.coefficient)
    return term.column if size == 1 else f"{size:g}*{term.column}"


@dataclass(frozen=True)
class _Reader:
    text: str
    elements: Mapping[str, Element]
    resolve: Resolve

    def factor(self, node: ast.expr) -> Formula:
        match node:
            case ast.Constant(value=float() | int() as number) if number > 0:
                return Formula(self.text, float(number), (), ())
            case ast.Call(func=ast.Name(id="sum"), args=[inner], keywords=[]):
                return Formula(self.text, 1.0, (Sum(tuple(self._terms(inner, 1.0))),), ())
            case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=float() | int() as number)):
                only = self.factor(left)
                if len(only.above) == 1 and not only.below and only.scale == 1:
                    return Formula(self.text, 1.0, (Sum(only.above[0].terms, float(number)),), ())
            case ast.Call(
                func=ast.Name(id="kpi"),
                args=[ast.Name(id=kpi), ast.Constant(value=int() as version)],
                keywords=[],
            ):
                return self.resolve(kpi, str(version))
        raise ValueError(f"formula {self.text!r}: {ast.unparse(node)!r} is no sum, number or kpi")

    def _terms(self, node: ast.expr, sign: float) -> Iterator[Term]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield from self._terms(node.left, sign)
            yield from self._terms(node.right, -sign if isinstance(node.op, ast.Sub) else sign)
            return
        coefficient, names = sign, []
        for part, divides in _factors(node, divides=False):
            match part:
                case ast.Name(id=name) if not divides and name in self.elements:
                    names.append(name)
                case ast.Constant(value=float() | int() as number) if not divides:
                    coefficient *= number
                case _:
                    raise ValueError(f"formula {self.text!r}: {ast.unparse(part)!r} is no declared element")
        if not names or (len(names) > 1 and any(self.elements[n].stands != "product" for n in names)):
            raise ValueError(f"formula {self.text!r}: only elements of a product can be multiplied")
        yield Term(coefficient, tuple(names))
