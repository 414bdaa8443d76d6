"""Avro contracts, Arrow schemas of tables, decoding of messages, the dead letter."""
