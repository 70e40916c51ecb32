# make help lists the targets.

PREFIX ?= /usr/local
VENV := .venv
PYTEST := $(VENV)/bin/pytest
# One more than there are cores, since many a test waits for the disk or for a container.
JOBS ?= $(shell expr $$(nproc) + 1)
PARALLEL := -n $(JOBS) --dist worksteal
SOURCES := lxgit tests benchmarks

.DELETE_ON_ERROR:
.PHONY: help demo test check lint types fast format install uninstall torture bench fuzz test-scale test-vm venv clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

demo:  ## install what is missing, then the main job on a real Debian, narrated
	@scripts/setup run
	@$(MAKE) --no-print-directory venv
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/demo

# Somebody else than root goes on without the packages: the tests say what they skip, and why.
test:  ## install what is missing, then lint, types and all tests that take no minutes; JOBS=1 for one at a time
	@scripts/setup test || [ "$$(id -u)" != 0 ]
	@$(MAKE) --no-print-directory lint types
	@$(PYTEST) $(PARALLEL) -m "not vm and not scale" $(PYTEST_FLAGS)

check: lint types fast  ## lint, types and the fast tests: what a commit must pass

lint: venv
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet . \
	    || { echo "make format mends the layout" >&2; exit 1; }

types: venv
	@$(VENV)/bin/mypy

fast: venv
	@$(PYTEST) $(PARALLEL) -m "not slow and not network and not vm and not scale" $(PYTEST_FLAGS)

format: venv  ## lay the sources out, and mend what ruff can
	@$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format .

install:  ## for daily use: lxgit on PATH, shell completion; PREFIX=/usr/local
	@scripts/setup run
	@scripts/install "$(PREFIX)"

uninstall:  ## take away what install brought; stores stay
	@scripts/uninstall "$(PREFIX)"

fuzz: venv  ## hostile bytes into every reader; FUZZ_FLAGS="--seconds 600 archive"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]' \
	    || echo "without atheris, which this Python has no wheel of" >&2
	@$(VENV)/bin/python -m tests.fuzz $(FUZZ_FLAGS)

torture:  ## kill each operation 1,000 times, cut the power, fail each write; TORTURE_ROUNDS, TORTURE_SEED
	@scripts/setup test
	@$(MAKE) --no-print-directory venv
	@TORTURE_ROUNDS=$${TORTURE_ROUNDS:-1000} $(PYTEST) $(PARALLEL) tests/torture $(PYTEST_FLAGS)

bench:  ## install the peers, then measure against them
	@scripts/setup bench
	@$(MAKE) --no-print-directory venv
	@$(VENV)/bin/python -m benchmarks $(BENCH_FLAGS)

test-scale:  ## what takes minutes: kills, power failures, disks that fail, fuzzing, sixteen processes, 5 GiB
	@scripts/setup test
	@$(MAKE) --no-print-directory venv
	@$(PYTEST) $(PARALLEL) -m scale $(PYTEST_FLAGS)

test-vm:  ## the main job on stock Debian 13, in a virtual machine
	@scripts/setup vm
	@$(MAKE) --no-print-directory venv
	@$(VENV)/bin/python -m tests.vm $(VM_FLAGS)

venv: $(VENV)/.ready  ## the development environment, in .venv
	@:

$(VENV)/.ready: pyproject.toml scripts/venv scripts/find-python
	@scripts/venv $(VENV)

clean:  ## remove what the targets made here; caches elsewhere stay
	rm -rf $(VENV) $(VENV).lock build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
