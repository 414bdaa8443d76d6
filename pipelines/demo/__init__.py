"""The simulator of factories and the local broker: what the demo and the tests need, never production."""
