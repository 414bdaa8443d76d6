"""Beam wiring of facts and figures: stretches of days in, nothing but their numbers out."""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.connectors.deriving_facts import FactDerivation, Stretch
from pipelines.connectors.deriving_figures import Days, FigureDerivation
from pipelines.connectors.deriving_liveness import ReportDays, ReportDerivation, SourceDayDerivation


@dataclass
class DeriveFacts(beam.PTransform[PCollection[Stretch], PCollection[int]]):
    """Derive the facts of each stretch of days of a bucket.

    Input:  `Stretch`es. Each is read whole and sorted by key, so the result depends neither on how readings
        were batched nor on their order.
    Output: the number of each stretch; its facts lie in the derivation's staging folder.
    """

    derivation: FactDerivation

    def expand(self, stretches: PCollection[Stretch]) -> PCollection[int]:
        """Wire the stage."""
        numbers: PCollection[int] = (
            stretches | "Deal" >> beam.Reshuffle() | "Derive" >> beam.Map(self.derivation.derive)
        )
        return numbers


@dataclass
class DeriveFigures(beam.PTransform[PCollection[Days], PCollection[int]]):
    """Derive the emissions, daily elements or KPIs of some days.

    Input:  `Days`. Output: the number of each; its figures lie in the derivation's staging folder.
    """

    derivation: FigureDerivation

    def expand(self, days: PCollection[Days]) -> PCollection[int]:
        """Wire the stage."""
        numbers: PCollection[int] = (
            days | "Deal" >> beam.Reshuffle() | "Derive" >> beam.Map(self.derivation.derive)
        )
        return numbers


@dataclass
class DeriveSourceDays(beam.PTransform[PCollection[Days], PCollection[int]]):
    """Sum up what each source sent on some days.

    Input:  `Days`. Output: the number of each; its rows lie in the derivation's staging folder.
    """

    derivation: SourceDayDerivation

    def expand(self, days: PCollection[Days]) -> PCollection[int]:
        """Wire the stage."""
        numbers: PCollection[int] = (
            days | "Deal" >> beam.Reshuffle() | "Derive" >> beam.Map(self.derivation.derive)
        )
        return numbers


@dataclass
class ReportLiveness(beam.PTransform[PCollection[ReportDays], PCollection[int]]):
    """Report on the liveness of some days.

    Input:  `ReportDays`: whole days of all factories, for one factory may send another's figures.
    Output: the number of each; its rows lie in the derivation's staging folder.
    """

    derivation: ReportDerivation

    def expand(self, days: PCollection[ReportDays]) -> PCollection[int]:
        """Wire the stage."""
        numbers: PCollection[int] = (
            days | "Deal" >> beam.Reshuffle() | "Derive" >> beam.Map(self.derivation.derive)
        )
        return numbers
