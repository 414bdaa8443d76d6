"""The part `policy` of a cluster file: limits of the disclosure gate by class.

Belongs here: its keys, and the limits that no policy may undercut. Does not belong here: the keys of rules
(rule_keys), and what the limits mean (pipelines.domain.cluster, pipelines.domain.disclosure).

The file holds the limits; what is refused here is looser than the cluster's agreement and the Korean guidance
on information exchange between competitors (KFTC, in force since 2021-12-30) allow.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from pipelines.connectors.rule_keys import RULE_KEYS, FieldError, positive, table_rules
from pipelines.domain.cluster import ClassPolicy, DisclosureClass, DisclosurePolicy
from pipelines.reference.kpis import kpi_book

Period = Literal["day", "month", "rolling12"]
Text = Annotated[str, Field(min_length=1)]


class _Least(NamedTuple):
    """Least numbers of a class."""

    min_contributors: int
    coalition: int
    ageing_months: int
    coarsening: int


_LEAST: Final[dict[DisclosureClass, _Least]] = {"A": _Least(3, 1, 0, 1), "B": _Least(5, 2, 3, 2)}
_MOST_SHARE_PERCENT: Final = 25
_LEAST_RANGE_PERCENT: Final = 10


class StrictForm(BaseModel):
    """A mapping of a cluster file; keys that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClassForm(BaseModel):
    """Limits of one class: what it says beside the keys of rules, which stand in the same mapping."""

    model_config = ConfigDict(extra="allow", frozen=True)

    ageing_months: int = Field(default=0, ge=0, strict=True)
    coarsening: int = Field(default=1, ge=1, strict=True)
    periods: frozenset[Period] = Field(default=frozenset({"day", "month", "rolling12"}), min_length=1)

    @model_validator(mode="after")
    def _of_rules(self) -> Self:
        for key in self.model_extra or {}:
            if key not in RULE_KEYS:
                known = ", ".join((*RULE_KEYS, *type(self).model_fields))
                raise FieldError(key, f"unknown; use {known}")
        self.limits()
        return self

    def limits(self) -> ClassPolicy:
        """Return the class's limits.

        Raises:
            FieldError: a value that its rule can't have.
        """
        rules = table_rules(self.model_extra or {})
        return ClassPolicy(rules, self.ageing_months, self.coarsening, frozenset(self.periods))


class PolicyForm(StrictForm):
    """The policy of a cluster."""

    version: Text
    persistence_percent: Annotated[Fraction, PlainValidator(positive)] = Fraction(5)
    classes: dict[DisclosureClass, ClassForm]
    not_released: frozenset[Text] = frozenset()

    @model_validator(mode="after")
    def _of_the_catalogue(self) -> Self:
        unknown = sorted(self.not_released - kpi_book().definitions.keys())
        if unknown:
            raise FieldError("not_released", f"KPI {unknown[0]} is unknown; use ids of the catalogue")
        return self

    @model_validator(mode="after")
    def _strict_enough(self) -> Self:
        for name, form in self.classes.items():
            for key, remedy in _too_loose(name, form.limits()):
                raise FieldError(f"classes.{name}.{key}", remedy)
        return self

    def limits(self) -> DisclosurePolicy:
        """Return the cluster's limits; a class that isn't named isn't released."""
        classes = {name: form.limits() for name, form in self.classes.items()}
        return DisclosurePolicy(self.version, classes, self.persistence_percent, self.not_released)


def _too_loose(name: DisclosureClass, policy: ClassPolicy) -> Iterator[tuple[str, str]]:
    """Yield the keys whose limits no policy may have, and what to write."""
    rules, least = policy.rules, _LEAST[name]
    given = (rules.min_contributors, rules.coalition, policy.ageing_months, policy.coarsening)
    for key, value, fewest in zip(_Least._fields, given, least, strict=True):
        if value is None or value < fewest:
            yield key, f"write at least {fewest} for class {name}"
    if rules.frequency_range_percent < _LEAST_RANGE_PERCENT:
        yield "frequency_range_percent", f"write at least {_LEAST_RANGE_PERCENT}"
    if name == "B":
        share = rules.share_limit_percent
        if share is None or share > _MOST_SHARE_PERCENT:
            yield "share_limit_percent", f"write at most {_MOST_SHARE_PERCENT} for class B"
        if "day" in policy.periods:
            yield "periods", "write a list without day for class B"
