"""The digital cluster's nightly data product: from Kafka topics to benchmarks, carbon figures and pages."""
