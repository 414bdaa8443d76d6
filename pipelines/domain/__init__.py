"""Pure functions on Polars frames and small frozen dataclasses: no Beam, Kafka, files, clock or environment."""
