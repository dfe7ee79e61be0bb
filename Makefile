# Two commands set up a fresh machine: `make demo` and `make test`.
VENV ?= .venv
PYTHON ?= python3
RUN := $(VENV)/bin/python
# Threads that wait leave the core to others; spinning ones make a busy machine ten times slower.
export OMP_WAIT_POLICY = PASSIVE
INSTALLED := $(VENV)/.installed
EXTRAS := $(VENV)/.extras
LINT := $(VENV)/.lint
# Tests that are traced, to see which lines they run.
MATHEMATICS := tests/test_functional tests/test_structures tests/test_doctests.py

.PHONY: demo test test-fast coverage lint wheel install extras docs results clean

install: $(INSTALLED)

$(INSTALLED): requirements.txt pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip setuptools wheel
	$(RUN) -m pip install --quiet -r requirements.txt
	$(RUN) -m pip install --quiet --no-build-isolation --no-deps -e .
	touch $@

extras: $(EXTRAS)

$(EXTRAS): requirements-extras.txt requirements-torchvision.txt $(INSTALLED)
	$(RUN) -m pip install --quiet -r requirements.txt -r requirements-extras.txt
	$(RUN) -m pip install --quiet --no-deps --upgrade --target $(VENV)/torchvision -r requirements-torchvision.txt
	touch $@

demo: install
	$(RUN) tools/demo.py --out work_dirs/demo

test: install
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder tests \
		$(addprefix --ignore=,$(MATHEMATICS))
	$(MAKE) coverage

# Pure mathematics, structures and the front door; what takes long is marked slow.
test-fast: install
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q --numprocesses auto --dist loadfile -m "not slow" tests/test_functional tests/test_structures \
		tests/test_runtime tests/test_evaluation tests/test_doctests.py tests/test_cli/test_commands.py \
		tests/test_apis/test_config_files.py

# The mathematics alone: tracing costs half as much time again.
coverage: install
	mkdir -p work_dirs
	OMP_NUM_THREADS=1 COVERAGE_FILE=work_dirs/.coverage $(RUN) -m pytest -q --numprocesses auto --dist loadfile --cov \
		--cov-report=json:work_dirs/coverage.json $(MATHEMATICS)
	$(RUN) tools/check_coverage.py work_dirs/coverage.json

lint: $(LINT)
	$(RUN) -m ruff check .
	$(RUN) -m mypy

$(LINT): pyproject.toml $(INSTALLED)
	$(RUN) -m pip install --quiet ruff==0.17.6 mypy==2.4.1
	touch $@

wheel: install
	tools/wheel_trial.sh $(RUN)

docs: extras
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet --site-dir work_dirs/site

results: install
	$(RUN) tools/make_results.py

clean:
	rm -rf $(VENV) build *.egg-info
