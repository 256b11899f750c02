# make run            draw a small dump, run the whole path, print the trends
# make run SRC=DIR    the same on a folder of your photos (workspace: WORKSPACE=, default ./workspace)
# make test           lint, types and tests
# make bench          every benchmark: figures of this machine into benchmarks/results (with torch: a large install)
# make clean          remove what these made here
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SRC ?=
WORKSPACE ?= workspace

.PHONY: run test lint types tests bench clean

run: $(VENV)/.core
ifeq ($(strip $(SRC)),)
	$(BIN)/trendloom demo --folder demo
else
	$(BIN)/trendloom run "$(SRC)" --workspace "$(WORKSPACE)"; code=$$?; \
	if [ $$code -le 1 ]; then echo "open the dashboard: $(BIN)/trendloom serve --workspace $(WORKSPACE)"; fi; exit $$code
endif

test: lint types tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev
	@command -v chromium >/dev/null || sh tests/install_chromium.sh
	$(BIN)/pytest -q

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "expected Python 3.11 as '$(PYTHON)': install it, or say make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.core

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[train,openvino]' fastembed
	@touch $@ $(VENV)/.core

clean:
	rm -rf $(VENV) demo workspace .pytest_cache .mypy_cache .ruff_cache .hypothesis
