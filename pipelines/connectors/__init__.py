"""The only code that talks to the outside: Kafka, archive, schema registry, Delta tables, leases."""
