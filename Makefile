# The two commands for a newcomer: `make demo` and `make test`. Everything else is for those who work on it.

VENV := .venv
RUN := $(VENV)/bin/python
PYTEST := $(RUN) -m pytest
# One more than there are processors, because each waits for something a fifth of the time.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1)
TESTS ?= tests
# Only the files that hold such tests: to collect all the others once more takes a while.
ALONE = $(if $(filter tests,$(TESTS)),$(shell grep -rl --include='test_*.py' 'mark\.alone' tests),$(TESTS))
DEMO_FLAGS = $(if $(API_BASE),--api_base "$(API_BASE)") $(if $(MODEL),--model "$(MODEL)") $(if $(DEMO_LANG),--lang "$(DEMO_LANG)")

.PHONY: help demo test check bench chaos picture test-servers test-vm setup clean

help:
	@echo 'make demo           set up, and run a real task; the model is a recording (API_BASE=URL MODEL=NAME: a real one)'
	@echo 'make test           set up, and run all tests'
	@echo 'make check          ruff, pyright and the laws of the house'
	@echo 'make bench          time and memory, each beside its bare counterpart'
	@echo 'make chaos          kill, cut the power, fill the disk, some thousand times, and count what is lost (about an hour)'
	@echo 'make picture        draw docs/session.svg from a real run'
	@echo 'make test-servers   tests against real model servers (downloads some gigabytes)'
	@echo 'make test-vm        tests of control groups in a small virtual machine (some minutes)'
	@echo 'make clean          remove what these commands have made'

setup: $(VENV)/.ready-dev

$(VENV)/.ready-run: pyproject.toml tools/setup.sh
	@sh tools/setup.sh $(VENV) run

$(VENV)/.ready-dev: pyproject.toml tools/setup.sh
	@sh tools/setup.sh $(VENV) dev

demo: $(VENV)/.ready-run
	@$(RUN) -m interpreter.cli.demo $(DEMO_FLAGS)

# While libraries come over the network, one process makes the byte code of all tests, which each worker would else make.
test: $(VENV)/.ready-dev
	@$(PYTEST) $(TESTS) --collect-only -qq -p no:cacheprovider >/dev/null 2>&1 & $(RUN) -m tests.libraries && wait
	$(RUN) tools/run_tests.py $(TESTS) -n $(WORKERS) --dist loadgroup -m "not servers and not alone"
	@$(RUN) tools/run_tests.py $(ALONE) -q -m alone || [ $$? = 5 ]

check: $(VENV)/.ready-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright
	$(PYTEST) tests/house -q

picture: $(VENV)/.ready-dev
	$(RUN) tools/draw_session.py

bench: $(VENV)/.ready-dev
	env -u PYTHONDONTWRITEBYTECODE $(RUN) -m benchmarks

chaos: $(VENV)/.ready-dev
	env -u PYTHONDONTWRITEBYTECODE $(RUN) -m tests.chaos $(CHAOS)

test-servers: $(VENV)/.ready-dev
	@$(RUN) tools/test_servers.py

test-vm: $(VENV)/.ready-dev
	@$(RUN) tools/test_vm.py

clean:
	rm -rf $(VENV) $(VENV).log .demo .cache .pytest_cache .ruff_cache .hypothesis build dist
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
