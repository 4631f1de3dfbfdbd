# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# Nothing is compiled while it is installed, so what Python compiles must stay: `import tensorflow` takes 4 times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types docs bench clean

demo: $(INSTALLED)  ## search, train, export, compare and report on the digits that ship with scikit-learn
	$(BIN)/epnas-search --flagfile=flags/quickstart.cfg --run_dir=runs/demo
	$(BIN)/epnas-train runs/demo --flagfile=flags/quickstart_final.cfg
	test -d runs/demo/export || $(BIN)/epnas-export runs/demo
	@# TensorFlow has something to say while it is imported, at any log level: shown if serving fails.
	exec 3>&1; said=$$($(BIN)/python examples/serve.py runs/demo 2>&1 >&3) || { echo "$$said" >&2; exit 1; }
	$(BIN)/epnas-compare runs/demo --flagfile=flags/quickstart_final.cfg --networks=found,resnet,plain \
	  --epochs=5 --restart_epochs=0
	$(BIN)/epnas-report runs/demo

test: lint types docs  ## lint, type check, documents and every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

docs: $(INSTALLED)  ## the documents as pages, build/site/index.html; a broken link is an error
	$(BIN)/python tools/doc_pages.py docs
	$(BIN)/zensical build --strict --clean

bench: $(INSTALLED)  ## the short benchmarks
	for name in startup scoring trial overhead; do $(BIN)/python -m benchmarks $$name || exit; done

$(INSTALLED): pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --editable '.[dev]'  # Python compiles what it imports, not all 11,000 files
	touch $@

clean:  ## remove the environment and the demo's run
	rm -rf $(VENV) runs/demo
