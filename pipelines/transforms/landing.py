"""Beam wiring of ingest: slices in, nothing but their numbers out."""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.connectors.landing import Landing, Slice


@dataclass
class LandSlices(beam.PTransform[PCollection[Slice], PCollection[int]]):
    """Read, decode, check and write each slice, in one fused stage.

    Input:  `Slice`s. They are reshuffled, so that every worker thread gets some.
    Output: the number of each landed slice; its outcome lies in the landing's staging folder.
    """

    landing: Landing

    def expand(self, slices: PCollection[Slice]) -> PCollection[int]:
        """Wire the stage."""
        numbers: PCollection[int] = (
            slices | "Deal" >> beam.Reshuffle() | "Land" >> beam.Map(self.landing.land)
        )
        return numbers
