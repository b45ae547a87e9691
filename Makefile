# make repro   trains what params.yaml names         make test   runs every test
#                                                (SYSTEM=vae, FAMILY=gan: what concerns them)
# make lint    format, lint, direction of imports    make ui     opens MLflow
# make venv    makes the environment: the active Python or the newest of 3.11 to 3.13; PYTHON= names another
# make bench   measures speed against PyTorch and other libraries (GROUP=train: one group; ARGS="--only vae")

# Left empty, requirements/install.sh looks for one.
PYTHON ?=
VENV := .venv
BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.installed
LOCKS := $(wildcard requirements/*.lock)
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS ?= 1
export DO_NOT_TRACK ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export TF_CPP_MIN_LOG_LEVEL ?= 3
# Trust what the system trusts, as pip does: there may be a proxy.
export UV_SYSTEM_CERTS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.PHONY: help venv repro test test-once test-jax test-tensorflow test-parity test-quick learning torch-trainings lint format lock ui bench bench-gpu bench-peers clean

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

venv: $(STAMP)

# An environment of another Python than PYTHON is made anew.
version = $(shell { $(1) -c 'import sys; print(sys.version_info[:2])'; } 2>/dev/null)
ifneq ($(PYTHON),)
ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
.PHONY: $(STAMP)
endif
endif

$(STAMP): $(LOCKS) requirements/install.sh pyproject.toml
	requirements/install.sh $(VENV) $(PYTHON)
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(STAMP)

# DVC keeps its cache in .dvc; --quiet would hide the progress bars of the stages. It reads params.yaml before any
# stage, and of what is no YAML it names neither file nor line.
repro: $(STAMP)
	python -m pipelines.check
	dvc repro

# Tests compile the same small models again and again, in processes of their own too.
TESTS := test test-once test-jax test-tensorflow test-parity test-quick learning
FOUND := $(CURDIR)/build/tests
$(TESTS): export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/build/jax
$(TESTS): export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0.1
$(TESTS): export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1
$(TESTS): export SYSTEM := $(SYSTEM)
$(TESTS): export FAMILY := $(FAMILY)

# As many processes at a time as share the cores well: each waits now and then. What they trained is compared at the end.
test: export GM_KERAS_TEST_RECORDS := $(FOUND)/parity
test: export GM_KERAS_TEST_FIGURES := $(FOUND)/figures
test: export GM_KERAS_TEST_PROJECTS := $(FOUND)/projects
test: $(STAMP)
	@rm -rf $(FOUND)
	@exec 3>&2; goals=$$(python -m tests.selection) || exit 1; status=0; \
	$(MAKE) --no-print-directory -k -j3 --output-sync=target $$goals || status=$$?; \
	$(MAKE) --no-print-directory test-parity || status=$$?; \
	python -m tests.figures $(FOUND)/figures; exit $$status

# Each process says at once when it begins and ends: what it prints comes later, as a whole.
said = { echo "$$(date +%T) $@ $(1)" >&3; } 2>/dev/null || true

test-once: $(STAMP)
	@$(call said,begins)
	python -m pytest tests -m "not backend and not parity"
	@$(call said,has passed)

# The memory of a process must not grow with the number of systems: a process takes a few of them.
test-jax test-tensorflow: test-%: $(STAMP)
	@goals=$$(python -m tests.selection $*) || exit 1; $(MAKE) --no-print-directory -k $$goals

jax-of-%: $(STAMP)
	@$(call said,begins)
	KERAS_BACKEND=jax SYSTEM=$* FAMILY= python -m pytest tests -m "backend and not learns"
	@$(call said,has passed)

tensorflow-of-%: $(STAMP)
	@$(call said,begins)
	KERAS_BACKEND=tensorflow SYSTEM=$* FAMILY= python -m pytest tests -m "backend and not learns"
	@$(call said,has passed)

# What trains for long pays for better code.
learning: export XLA_FLAGS := --xla_backend_optimization_level=1 $(XLA_FLAGS)
learning: $(STAMP)
	@$(call said,begins)
	KERAS_BACKEND=jax python -m pytest tests -m "backend and learns"
	@$(call said,has passed)

# PyTorch's part of the comparison; the other backends' comes from their tests.
torch-trainings: $(STAMP)
	@$(call said,begins)
	KERAS_BACKEND=torch TF_ENABLE_ONEDNN_OPTS=0 python -m tests.parity.worker $(FOUND)/parity/torch
	@$(call said,has ended)

test-parity: $(STAMP)
	@$(call said,begins)
	python -m pytest tests -m parity

# What a Python or a release of the libraries is likeliest to break: make test-quick PYTHON=python3.13 VENV=.venv-3.13
VERSIONED := tests/backend tests/core/test_construction.py tests/core/test_jax_settings.py tests/core/test_kept_steps.py \
  tests/core/test_calls.py tests/ops/test_native.py
QUICK := tests/models/test_contract.py tests/models/test_compiled.py -k "not (test_contract or test_compiled) or [vae]"
test-quick: $(STAMP)
	KERAS_BACKEND=jax python -m pytest $(VERSIONED) $(QUICK) -m backend
	KERAS_BACKEND=tensorflow python -m pytest $(QUICK) -m backend
	python -m pytest tests/pipelines/test_signatures.py tests/pipelines/test_settings.py

lint: $(STAMP)
	ruff format --check .
	ruff check .
	lint-imports

format: $(STAMP)
	python -m tests.stubs
	ruff format .
	ruff check --fix .

# All that an installation may have, but for a card's libraries and PyTorch, which brings them.
LOCKED := pipeline tables tfds export jax tensorflow native dev
lock:
	for lock in $(LOCKS); do \
	  $(BIN)/uv pip compile --quiet --python-version $$(basename $$lock .lock) --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate $(addprefix --extra ,$(LOCKED)) \
	    --custom-compile-command "make lock" --output-file $$lock pyproject.toml || exit 1; \
	done

ui: $(STAMP)
	python -m pipelines.tracking.ui

# The peers have an environment of their own: what they need must not decide what we install.
PEERS := $(CURDIR)/.venv-peers
bench-peers: $(PEERS)/.installed

$(PEERS)/.installed: benchmarks/peers.txt | $(STAMP)
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	@touch $@

bench: $(STAMP) $(PEERS)/.installed
	python -m benchmarks $(GROUP) $(ARGS)

# JAX for the card, and PyTorch as the peers have it.
GPU := $(CURDIR)/.venv-gpu
$(GPU)/.installed: $(LOCKS) requirements/install.sh pyproject.toml
	requirements/install.sh $(GPU) $(PYTHON)
	$(GPU)/bin/python -m pip install --quiet --editable ".[cuda-jax]"
	@touch $@

bench-gpu: $(GPU)/.installed $(PEERS)/.installed
	BENCHMARK_PEERS=$(PEERS)/bin/python $(GPU)/bin/python -m benchmarks.gpu $(ARGS)

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache
