# make repro   trains what params.yaml names         make test   runs every test
#                                                (SYSTEM=vae, FAMILY=gan: what concerns them)
# make lint    format, lint, direction of imports    make ui     opens MLflow
# make bench   measures speed against PyTorch and other libraries (GROUP=train: one group; ARGS="--only vae")
PYTHON ?= python3.11
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
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
.PHONY: help venv repro test test-once test-jax test-tensorflow test-parity test-quick lint format lock ui bench bench-gpu bench-peers clean

help:
	@sed -n 's/^# //p' Makefile

venv: $(STAMP)

# uv installs requirements.lock in a fraction of pip's time; pip knows of mirrors that uv does not.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11; name it with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock || \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(STAMP)

# DVC keeps its cache in .dvc; --quiet would hide the progress bars of the stages. It reads params.yaml before any
# stage, and of what is no YAML it names neither file nor line.
repro: $(STAMP)
	python -m pipelines.check
	dvc repro

# Tests compile the same small models again and again, in processes of their own too.
TESTS := test test-once test-jax test-tensorflow test-parity test-quick
FOUND := $(CURDIR)/build/tests
$(TESTS): export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/build/jax
$(TESTS): export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0.1
$(TESTS): export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1
$(TESTS): export SYSTEM := $(SYSTEM)
$(TESTS): export FAMILY := $(FAMILY)
# Exit status 5: no test of this kind concerns the chosen systems.
PYTEST = $(if $(SYSTEM)$(FAMILY),test_status() { "$$@" || [ $$? -eq 5 ]; }; test_status) python -m pytest tests

# All suites at a time: each waits now and then, and they share the cores. What they trained is compared at the end.
test: export GM_KERAS_TEST_RECORDS := $(FOUND)/parity
test: export GM_KERAS_TEST_FIGURES := $(FOUND)/figures
test: export GM_KERAS_TEST_PROJECTS := $(FOUND)/projects
test: $(STAMP)
	@rm -rf $(FOUND)
	@status=0; \
	$(MAKE) --no-print-directory -k -j3 --output-sync=target test-tensorflow test-jax test-once || status=$$?; \
	$(MAKE) --no-print-directory test-parity || status=$$?; \
	python -m tests.figures $(FOUND)/figures; exit $$status

test-once: $(STAMP)
	$(PYTEST) -m "not backend and not parity"

test-jax: $(STAMP)
	KERAS_BACKEND=jax; export KERAS_BACKEND; $(PYTEST) -m backend

test-tensorflow: $(STAMP)
	KERAS_BACKEND=tensorflow; export KERAS_BACKEND; $(PYTEST) -m backend

test-parity: $(STAMP)
	$(PYTEST) -m parity

# The library on one backend, without stages and flows: for another Python, or while one works.
test-quick: $(STAMP)
	KERAS_BACKEND=$${KERAS_BACKEND:-jax}; export KERAS_BACKEND; $(PYTEST) -m "backend and not pipeline and not slow"

lint: $(STAMP)
	ruff format --check .
	ruff check .
	lint-imports

format: $(STAMP)
	ruff format .
	ruff check --fix .

lock:
	$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-annotate --extra dev --extra native --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

ui: $(STAMP)
	python -m pipelines.tracking.ui

# The peers have an environment of their own: what they need must not decide what we install.
PEERS := $(CURDIR)/.venv-peers
bench-peers: $(PEERS)/.installed

$(PEERS)/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	@touch $@

bench: $(STAMP) $(PEERS)/.installed
	python -m benchmarks $(GROUP) $(ARGS)

# JAX for the card, and PyTorch as the peers have it.
GPU := $(CURDIR)/.venv-gpu
$(GPU)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(GPU)
	$(GPU)/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	$(GPU)/bin/python -m pip install --quiet --editable ".[cuda-jax]"
	@touch $@

bench-gpu: $(GPU)/.installed $(PEERS)/.installed
	BENCHMARK_PEERS=$(PEERS)/bin/python $(GPU)/bin/python -m benchmarks.gpu $(ARGS)

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache
