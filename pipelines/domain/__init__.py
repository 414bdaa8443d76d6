"""Pure functions on Polars frames and frozen dataclasses: no Beam, Kafka, files, clock or environment."""
