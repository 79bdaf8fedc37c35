# Two commands do everything on a fresh machine: make demo, make test.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find twinsdk csrc schema -type f -not -name '*.so' -not -path '*/__pycache__/*' 2>/dev/null)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.packages: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt pip setuptools wheel pybind11 torch
	$(BIN)/python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; e = p['optional-dependencies']; print('\n'.join(p['dependencies'] + e['avatar'] + e['batch'] + e['formats'] + e['dev']))" > $(VENV)/wanted.txt
	$(BIN)/pip install --quiet -c constraints.txt -r $(VENV)/wanted.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.packages setup.py MANIFEST.in $(SOURCES)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	@touch $@

.PHONY: install
install: $(VENV)/.installed  ## set up .venv with everything

.PHONY: demo
demo: install  ## the main job on real input: out/demo.mp4, .png, .vrm, .bvh, .vrma, report.json
	$(BIN)/python -P examples/demo.py --out out

.PHONY: test
test: install  ## all tests, against the installed package
	@mkdir -p build/tests
	cd build/tests && TWINSDK_TEST_INSTALLED=1 ../../$(BIN)/pytest -c ../../pyproject.toml --rootdir ../.. \
		-p no:cacheprovider ../../tests $(ARGS)

.PHONY: sanitize
sanitize:  ## the C++ tests under the address, behaviour and thread sanitizers (needs g++ alone)
	csrc/run_sanitized_tests.sh

.PHONY: check
check: install  ## format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'csrc/*.cpp' 'csrc/*.hpp')
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: install  ## put every file into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $$(git ls-files 'csrc/*.cpp' 'csrc/*.hpp')

.PHONY: bench
bench: install  ## measure speed; tables on the screen, records in benchmarks/results
	for each in skinning stages; do $(BIN)/python benchmarks/$$each.py || exit 1; done
	$(BIN)/python benchmarks/bridge/latency.py --json benchmarks/results/bridge.json
	for part in fanout relays stall restart; do $(BIN)/python benchmarks/bridge/endurance.py $$part --json benchmarks/results/bridge.json || exit 1; done
	$(BIN)/python benchmarks/bridge/fuzz.py --json benchmarks/results/bridge.json
	$(BIN)/python benchmarks/retarget/compare.py

.PHONY: docs
docs: install  ## build the documentation into build/docs
	$(BIN)/pip install --quiet -c constraints.txt zensical
	$(BIN)/zensical build

.PHONY: clean
clean:  ## remove what was built, keep the downloads
	rm -rf build dist out *.egg-info $(VENV)
