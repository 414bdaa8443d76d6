"""The key `carbon` of a cluster file: how statements of emissions are made.

Belongs here: its fields and their turning into the domain's facts. Does not belong here: the rest of the file
(cluster_form), statements (pipelines.domain.carbon).
"""

from collections.abc import Collection
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipelines.connectors.policy_form import StrictForm, Text
from pipelines.connectors.rule_keys import FieldError
from pipelines.domain.cluster import CarbonPolicy
from pipelines.reference.tables import gwps


def _known_set(name: str) -> str:
    known = gwps()["gwp_set"].unique(maintain_order=True).to_list()
    if name not in known:
        raise ValueError(f"{name!r} is no GWP set; name one of {', '.join(known)}")
    return name


class _Exclusion(StrictForm):
    factory: Text
    activity: Text | None = None
    reason: Text


class CarbonForm(StrictForm):
    """How statements are made; without it they are made by the defaults."""

    approach: Literal["operational_control", "financial_control", "equity_share"] = "operational_control"
    gwp_set: Annotated[str, AfterValidator(_known_set)] = "AR5"
    accepted_instruments: tuple[Text, ...] = ()
    base_year: int | None = Field(None, ge=1990, le=2100)
    significance_percent: Fraction = Field(Fraction(5), gt=0)
    exclusions: tuple[_Exclusion, ...] = ()
    leased: tuple[Text, ...] = ()
    estimate_unmetered: tuple[Text, ...] = ()

    def refuse_strangers(self, factories: Collection[str]) -> None:
        """Refuse factories that the cluster doesn't have: misspelt, they would change nothing.

        Raises:
            FieldError: names the field.
        """
        for place, exclusion in enumerate(self.exclusions):
            if exclusion.factory not in factories:
                field = f"carbon.exclusions.{place}.factory"
                raise FieldError(field, f"{exclusion.factory} is no factory of the cluster")
        for key in ("leased", "estimate_unmetered"):
            for place, factory in enumerate(getattr(self, key)):
                if factory not in factories:
                    raise FieldError(f"carbon.{key}.{place}", f"{factory} is no factory of the cluster")

    def policy(self) -> CarbonPolicy:
        """Return the frozen facts."""
        return CarbonPolicy(
            self.approach,
            self.gwp_set,
            self.accepted_instruments,
            self.base_year,
            self.significance_percent,
            tuple((e.factory, e.activity, e.reason) for e in self.exclusions),
            self.leased,
            self.estimate_unmetered,
        )
