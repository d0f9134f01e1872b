# Everything a fresh machine needs, in .venv. `make demo` and `make test` set it up by themselves.
PYTHON ?= python3
BIN := .venv/bin
TRIPTYCH_DEMO ?= triptych-demo

.PHONY: setup demo test crash damage check format requirements reference figures

setup: .venv/.ready

.venv/.ready: pyproject.toml requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/triptych demo $(TRIPTYCH_DEMO)

# A process for each core; the tests of one file share their fixtures, so they stay together.
test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# Runs struck at every change that they make to their folder, by every kind of fault: an hour on one core, half on two.
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

requirements: setup
	echo "# The versions that Triptych is developed and tested with. Made by: make requirements" > requirements.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra lmdeploy --group dev --no-header --no-annotate \
		--python-version 3.11 >> requirements.txt

reference: setup
	$(BIN)/python -m scripts.cli_reference

figures: setup
	$(BIN)/python -m scripts.benchmarks_page

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
