# Everything runs in .venv, made from the hashed lock; `make` alone says what there is.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
UV ?= uv
LOAD = $(if $(POLICIES),--policies $(POLICIES)) $(if $(ROWS),--rows $(ROWS)) $(if $(MINUTES),--minutes $(MINUTES)) \
    $(if $(STORE),--store $(STORE)) $(if $(DAEMONS),--daemons $(DAEMONS)) \
    $(if $(WORKERS),--workers $(WORKERS)) $(if $(EVERY),--every $(EVERY))
PEERS := .venv/peers
AUDITORS := .venv/auditors
TOOLS := .venv/tools

.DEFAULT_GOAL := help
.PHONY: help venv compiled demo test pytest test-slow lint format docs chaos fuzz bench bench-dask bench-detect bench-alarms bench-scrape bench-load soak bench-promotion bench-streams bench-console bench-round peers tools audit lock services clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## Create .venv with everything that is needed, from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; set PYTHON=... to a Python 3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

# Children write no bytecode, so that each would compile what it imports.
compiled: venv
	@$(BIN)/python -m compileall -q ctrain

demo: compiled ## Watch the whole loop on a real stream: drift, retraining, promotion, rollback
	$(BIN)/ctrain demo

test: venv ## Lint, types, layers and all tests; the types are checked beside the first tests
	@$(MAKE) --no-print-directory --jobs=2 lint pytest

pytest: compiled tools ## All tests, without lint and types
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not slow"

test-slow: venv ## The tests that take a minute each: aliases moved by others in a whole story, an interrupted demo
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m slow

lint: venv ## ruff, mypy, import-linter and bandit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml ctrain policies

format: venv ## Let ruff format and sort imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

docs: venv ## Write the tables of commands, metrics and policy keys into README and handbook, and the dashboards
	$(BIN)/python -m tests.support.reference

chaos: venv ## Kill daemons at every named point, and check every promise (SEED, CRASHES, KILLS...)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(CRASHES),--crashes $(CRASHES)) \
	    $(if $(AT_EACH),--at-each $(AT_EACH)) $(if $(KILLS),--kills $(KILLS)) $(if $(WORKERS),--workers $(WORKERS)) \
	    $(if $(OUTAGES),--outages $(OUTAGES)) $(if $(MINUTES),--minutes $(MINUTES))
	CTRAIN_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest -q tests/chaos/test_state_machine.py

fuzz: venv ## Policies, data files, cursors and requests with anything in them (INPUTS: how many to each test)
	CTRAIN_EXAMPLES=$(or $(INPUTS),12500) $(BIN)/python -m pytest -q -n 2 tests/unit/policy/test_any_text.py
	CTRAIN_EXAMPLES=$(or $(INPUTS),5000) $(BIN)/python -m pytest -q -n 2 tests/chaos/test_hostile_data.py
	CTRAIN_EXAMPLES=$(or $(INPUTS),200) $(BIN)/python -m pytest -q tests/integration/test_api_fuzz.py

bench: venv ## Ratios against peers, in one run each; nothing is asserted
	@for file in $(filter-out %bench_dask.py %bench_detect.py %bench_alarms.py %bench_promotion.py %bench_streams.py %bench_round.py %bench_console.py %bench_load.py,$(wildcard tests/benchmarks/bench_*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

bench-dask: venv ## A profile of many rows by one and by two workers of a dask cluster, beside this machine (ROWS)
	$(BIN)/python tests/benchmarks/bench_dask.py $(if $(ROWS),--rows $(ROWS))

bench-detect: peers ## Speed of the detection engine beside evidently, scipy, whylogs and river; a table and a plot
	PYTHONPATH=$(PEERS) $(BIN)/python -m tests.benchmarks.bench_detect

bench-alarms: peers ## False alarms and power of every test and detector (DATA=DIR: real streams, too)
	PYTHONPATH=$(PEERS) $(BIN)/python -m tests.benchmarks.bench_alarms $(DATA)

bench-scrape: venv ## CPU of a scrape with 1,000 policies, and how long it holds up other threads
	$(BIN)/python tests/benchmarks/bench_scrape.py

bench-load: venv ## Real daemons under load, beside one policy (POLICIES, ROWS a second, MINUTES, STORE, DAEMONS, WORKERS, EVERY)
	$(BIN)/python -m tests.benchmarks.bench_load $(LOAD)

soak: venv ## The same for an hour, with a picture of the memory
	$(BIN)/python -m tests.benchmarks.bench_load --minutes 60 --alone $(LOAD)

bench-promotion: venv ## How often equal, better and worse models are promoted and rolled back
	$(BIN)/python -m tests.benchmarks.bench_promotion

bench-streams: venv ## The default policy over the streams of a catalogue, beside never, periodic and always (DATA=DIR)
	@test -n "$(DATA)" || { echo "make bench-streams DATA=DIR: a folder of Parquet files with the columns t and target" >&2; exit 1; }
	$(BIN)/python -m tests.benchmarks.bench_streams $(DATA)

bench-console: venv ## Server time of the console's pages with many policies, beside ten (POLICIES)
	$(BIN)/python tests/benchmarks/bench_console.py $(if $(POLICIES),--policies $(POLICIES))

bench-round: venv ## What a round of fresh rows costs: CPU, commits, flushes, queries (POLICIES)
	$(BIN)/python -m tests.benchmarks.bench_round $(if $(POLICIES),--policies $(POLICIES))

peers: venv $(PEERS)/.installed

$(PEERS)/.installed: tests/benchmarks/peers.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target $(PEERS) -r $<
	touch $@

tools: $(TOOLS)/.installed

# Programs out of packages: one brings its own, the other an archive in an archive.
$(TOOLS)/.installed: .ci/deploy.lock | $(STAMP)
	rm -rf $(TOOLS)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target $(TOOLS) -r $<
	tar -xzOf $(TOOLS)/aws_cdk/*/_jsii/*.jsii.tgz package/lib/layer.zip > $(TOOLS)/layer.zip
	$(BIN)/python -m zipfile -e $(TOOLS)/layer.zip $(TOOLS)/layer
	install -m 0755 $(TOOLS)/layer/helm/helm $(TOOLS)/layer/kubectl/kubectl $(TOOLS)/bin
	rm -rf $(TOOLS)/layer $(TOOLS)/layer.zip $(TOOLS)/aws_cdk
	touch $@

audit: venv $(AUDITORS)/.installed ## Known vulnerabilities of what is installed (needs the network), and an SBOM in build/
	mkdir -p build
	$(AUDITORS)/bin/cyclonedx-py requirements --output-format JSON --output-file build/sbom.cdx.json requirements.lock
	$(AUDITORS)/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip

$(AUDITORS)/.installed: .ci/audit.lock
	test -x $(AUDITORS)/bin/python || $(PYTHON) -m venv $(AUDITORS)
	$(AUDITORS)/bin/python -m pip install --quiet --no-deps --require-hashes -r $<
	touch $@

lock: ## Resolve pyproject.toml into requirements.lock again (needs uv)
	$(UV) pip compile --upgrade --extra dev --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 --quiet --output-file requirements.lock pyproject.toml
	$(UV) pip compile --extra bench --constraint requirements.lock --generate-hashes --no-emit-index-url --no-annotate \
	    --no-header --python-version 3.11 --quiet pyproject.toml | $(PYTHON) tests/benchmarks/peers_lock.py \
	    > tests/benchmarks/peers.lock
	$(UV) pip compile --upgrade --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 \
	    --quiet --output-file .ci/audit.lock .ci/audit.in
	$(UV) pip compile --upgrade --no-deps --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 --quiet --output-file .ci/deploy.lock .ci/deploy.in
	$(MAKE) venv
	$(BIN)/python -m tests.support.runtime_lock

services: ## Install the system programs that tests use (Debian packages)
	bash .ci/services

clean: ## Remove the environment, caches and the demo's home
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
