"""Data liveness: is what a factory sends alive, and its own? Signs, each a question to the factory."""
