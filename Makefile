# One command per purpose.  Each first makes what it needs in .venv, and repeats that only when
# setup.py has changed.  Needs GNU make and Python >= 3.11; everything else is installed by pip.

VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip install -qq --disable-pip-version-check
# Tools that look at what is installed have an environment of their own, to be no part of it.
SUPPLY := $(VENV)/supply
EXAMPLE := keras_portrait/example.jpg

# Without a photo the example is drawn, into the current folder instead of beside the photo.
ifeq ($(PHOTO),)
PHOTO := $(EXAMPLE)
OUT ?= example.portrait.png
endif
export PHOTO OUT

.PHONY: help portrait test test-slow test-all test-arm64 fuzz lint wheel check constraints audit sbom release \
  fmt help-texts clean

help: ## list these commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1\t\2/p' Makefile

portrait: $(VENV)/.base ## draw a photo: PHOTO=me.jpg [OUT=drawing.png]; without PHOTO the example
	@$(BIN)/portrait stylize "$$PHOTO" $${OUT:+-o "$$OUT"}

test: $(VENV)/.dev ## run the fast tests
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-slow: $(VENV)/.dev ## run the slow tests: whole steps, killed trainings, several devices
	@$(BIN)/python -m pytest -q -n 2 -m slow

test-all: $(VENV)/.dev ## run every test, the slow ones too
	@$(BIN)/python -m pytest -q -n 2

test-arm64: $(VENV)/.dev ## draw under an emulated 64-bit Arm processor (QEMU) and compare with this machine
	@$(BIN)/python tests/arm64/run.py

fuzz: $(VENV)/.dev ## throw 1,750 damaged and forged files at everything that reads files
	@$(BIN)/python tests/fuzz.py

lint: $(VENV)/.dev ## look for faults of style and for imports that point up
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "some files want formatting: run 'make fmt'"; exit 1; }
	@$(BIN)/lint-imports

wheel: $(VENV)/.dev ## build the wheel, install it alone and draw with it outside the checkout
	@rm -rf build && mkdir build
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/check . >build/log 2>&1 || { cat build/log; exit 1; }
	@$(BIN)/python -m venv build/check/venv
	@build/check/venv/bin/python $(INSTALL) --constraint constraints.txt build/check/*.whl
	@cp $(EXAMPLE) build/check/example.jpg
	@cd build/check && venv/bin/portrait stylize example.jpg -o drawing.png
	@cd build/check && venv/bin/portrait-demo --once example.jpg -o again.png
	@cd build/check && venv/bin/portrait-demo --benchmark --frames 20 --threads 1 >benchmark.json
	@cd build/check && ! venv/bin/python -c "import tensorflow" 2>/dev/null
	@build/check/venv/bin/python tests/installed_size.py
	@cd build/check && venv/bin/portrait sample avatars -o avatars.png
	@rm -rf build

check: test lint wheel ## everything that must pass before a change lands

constraints: $(BIN)/python ## write constraints.txt again, from the newest versions that setup.py allows
	@rm -rf build/newest && mkdir -p build
	@$(BIN)/python -m venv build/newest
	@build/newest/bin/python $(INSTALL) ".[dev,quantizer]"
	@sed '/^[^#]/d' constraints.txt >build/constraints.txt
	@build/newest/bin/python -m pip freeze --all --exclude pip --exclude keras-portrait >>build/constraints.txt
	@mv build/constraints.txt constraints.txt && rm -rf build/newest

audit: $(SUPPLY)/.tools ## ask whether versions in constraints.txt have known weaknesses; needs the network
	@$(SUPPLY)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt

sbom: $(SUPPLY)/.tools ## write dist/sbom.json: all that comes with keras-portrait[train,svg,store] (CycloneDX)
	@rm -rf build/sbom && mkdir -p build dist
	@$(BIN)/python -m venv --without-pip build/sbom
	@$(BIN)/python -m pip --python build/sbom/bin/python install -qq --disable-pip-version-check \
	  --constraint constraints.txt ".[train,svg,store]"
	@rm build/sbom/lib/*/site-packages/keras_portrait-*.dist-info/direct_url.json # names this folder
	@$(SUPPLY)/bin/cyclonedx-py environment --output-reproducible -o dist/sbom.json build/sbom/bin/python
	@rm -rf build/sbom

release: check sbom audit ## what must pass before a release, besides test-slow

fmt: $(VENV)/.dev ## format the code and mend what can be mended
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

help-texts: $(VENV)/.dev ## write docs/help again after a change to a command's options
	@$(BIN)/python tests/cli/test_help_texts.py

clean: ## remove .venv and everything built
	@rm -rf $(VENV) .arm64 build dist *.egg-info

$(VENV)/.base: setup.py | $(BIN)/python
	@echo "Installing keras-portrait into $(VENV) ..."
	@$(BIN)/python $(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: setup.py constraints.txt | $(BIN)/python
	@echo "Installing keras-portrait with TensorFlow and the test tools into $(VENV) ..."
	@$(BIN)/python $(INSTALL) --constraint constraints.txt --editable ".[dev]"
	@touch $(VENV)/.base $@

$(SUPPLY)/.tools: | $(BIN)/python
	@$(BIN)/python -m venv $(SUPPLY)
	@$(SUPPLY)/bin/python $(INSTALL) pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@touch $@

$(BIN)/python:
	@for name in python3.13 python3.12 python3.11 python3 python; do \
	  if $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then exec $$name -m venv $(VENV); fi; \
	done; \
	echo "Python 3.11 or newer with its venv module is needed (on Debian: apt install python3-venv)." \
	  "Received: $$(python3 --version 2>&1 || true)" >&2; exit 1
