# make demo: the main job on embedded data.  make test: the one gate.  make bench: what can be measured.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test bench docs lint clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/python examples/demo.py demo

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

test: $(INSTALLED) lint
	$(BIN)/python -m pytest

bench: $(INSTALLED)
	@$(BIN)/python benchmarks/stage.py

docs: $(INSTALLED)
	$(BIN)/python -m tests.architecture.write_docs
	$(BIN)/python benchmarks/readme.py

clean:
	rm -rf .venv demo build
