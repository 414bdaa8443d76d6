"""Prefect flows: each wraps the steps of a plain sequence of `pipelines.jobs` as tasks."""
