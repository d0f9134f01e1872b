# Everything a fresh machine needs, in .venv. `make demo` and `make test` set it up by themselves.
PYTHON ?= python3
BIN := .venv/bin
TRIPTYCH_DEMO ?= triptych-demo
# Tests start many processes: without bytecode each would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test cluster crash damage check docs dist release format requirements reference figures

setup: .venv/.ready

.venv/.ready: pyproject.toml requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/triptych demo $(TRIPTYCH_DEMO)

# Three processes for two cores, as tests wait a third of their time for servers, clusters and time limits; what stays
# together, and what begins first: tests/support/scheduling.py.
test: setup
	$(BIN)/python -m pytest --numprocesses $$(( (3 * $$(nproc) + 1) / 2 ))

# The demo on a cluster of four nodes, and twenty kills of a worker, a node or the driver: 6 to 30 minutes on two cores.
cluster: setup
	$(BIN)/python -m pytest -m cluster tests/captioning/test_on_cluster.py tests/triptych/test_demo_on_cluster.py

# Runs struck at every change that they make to their folder, by every kind of fault: half an hour on two cores.
crash: setup
	PRINT_ONLY=1 $(BIN)/python -m benchmarks.crash_points

# A finished run damaged in two thousand ways: half an hour on two cores.
damage: setup
	PRINT_ONLY=1 $(BIN)/python -m benchmarks.damage

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.cli_reference --check
	$(BIN)/python -m scripts.benchmarks_page --check
	$(BIN)/python -m scripts.scale_model --check

# The site, in site/: every link is checked, every tutorial is run.
docs: setup
	NO_MKDOCS_2_WARNING=1 PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/mkdocs build --strict

# An sdist and a wheel in dist/, the same bytes twice. `make release` looks at version, changelog and tag as well.
dist: setup
	$(BIN)/python -m scripts.release --build-only

release: setup
	$(BIN)/python -m scripts.release

requirements: setup
	echo "# The versions that Triptych is developed and tested with. Made by: make requirements" > requirements.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra lmdeploy --extra local --group dev --group docs --no-header --no-annotate \
		--python-version 3.11 >> requirements.txt

reference: setup
	$(BIN)/python -m scripts.cli_reference

figures: setup
	$(BIN)/python -m scripts.benchmarks_page
	$(BIN)/python -m scripts.scale_model

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
