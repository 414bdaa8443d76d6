# `make nightly` runs the main job end to end, `make test` the tests; both set everything up first.
PYTHON ?= $(firstword $(shell command -v python3.11 || command -v python3) python3.11)
VENV := .venv
BIN := $(VENV)/bin
SOURCE ?= kafka
AS_OF ?=
WORKERS ?= 2
AS_OF_FLAG := $(if $(AS_OF),--as-of $(AS_OF),)
EXTRAS := --extra flows --extra lineage --extra site --extra onramp --extra broker
IS_3_11 := import sys; sys.exit(sys.version_info[:2] != (3, 11))
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--no-header --python-version 3.11

.PHONY: setup setup-test nightly test lint perf faults audit-sim docs wheel clean lock

$(VENV)/uv.stamp: requirements/bootstrap.lock
	@$(PYTHON) -c '$(IS_3_11)' 2>/dev/null || { echo "Python 3.11 is needed and $(PYTHON) is not: install it, or name it: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $@

$(VENV)/run.stamp: $(VENV)/uv.stamp requirements.lock pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements/test.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/test.lock
	@touch $@

setup: $(VENV)/run.stamp
setup-test: $(VENV)/test.stamp

nightly: setup
	$(BIN)/digital-cluster-flow nightly --demo --source $(SOURCE) $(AS_OF_FLAG)

test: setup-test
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not perf and not faults and not audit_sim"

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

perf: setup-test
	$(BIN)/pytest --timeout 0 -m perf -s tests/perf

faults: setup-test
	$(BIN)/pytest --timeout 0 -m faults

# 120 nights of 31 members through the gate, then the audit with all pairs: what docs/performance.md tells.
audit-sim: setup-test
	$(BIN)/pytest --timeout 0 -m audit_sim -s tests/simulated

# What pages say of the code: settings, exit codes, tables, definitions of KPIs. Tests compare them.
docs: setup
	$(BIN)/python -m docs.reference_pages docs
	$(BIN)/python -m pipelines.publish.methodology docs/methodology
	$(BIN)/digital-cluster templates page > docs/templates.md

wheel: setup
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist

clean:
	rm -rf build dist .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

lock: $(VENV)/uv.stamp
	$(COMPILE) $(EXTRAS) pyproject.toml -o requirements.lock
	$(COMPILE) -c requirements.lock requirements/test.in -o requirements/test.lock
	$(COMPILE) -c requirements.lock -c requirements/test.lock requirements/bootstrap.in -o requirements/bootstrap.lock
