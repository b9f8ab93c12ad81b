# make demo: train, score and table in one go, on embedded data.   make test: the whole suite.   make check: what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test test-browser check lint types floors docs gpu clean

demo: $(VENV)/installed
	@echo "the demo takes about 4 minutes on two cores with AVX-512, more than 10 with AVX2 alone"
	$(BIN)/dinobench train --output $(DEMO)
	$(BIN)/dinobench eval --task knn --model pixels --data mini
	$(BIN)/dinobench eval --task knn --model random:vit_mini/4 --data mini
	$(BIN)/dinobench eval --task knn --model $(DEMO)
	$(BIN)/dinobench tables --table 2
	$(BIN)/dinobench report --output report
	@echo
	@echo "run      $(DEMO)  (checkpoint.pth, best.pth, log.jsonl)"
	@echo "records  results/records"
	@echo "report   report/index.html"
	@echo "next     $(BIN)/dinobench eval --task knn --model YOUR_CHECKPOINT --data YOUR_FOLDER"

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2  # one thread per worker: two of each would fight for two cores

test-browser: $(VENV)/installed-dev  # the report in Chromium; screenshots in build/screenshots
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[browser]"
	$(BIN)/python -m pytest -rs tests/test_browser.py

check: lint types floors docs test

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

floors: $(VENV)/installed-dev
	$(BIN)/lint-imports

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site

gpu: $(VENV)/installed-dev
	$(BIN)/python benchmarks/gpu.py

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cpu]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
