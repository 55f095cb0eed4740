# Sets up, tests and demonstrates the program. Needs Python, a POSIX shell and GNU make.

.NOTPARALLEL:
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.DEFAULT_GOAL = help

# These settings of the caller's shell would affect the environments created here.
unexport PYTHONHOME PYTHONPATH CDPATH PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_USER = 0

ifneq ($(filter-out tf1 tf2,$(STACK)),)
$(error STACK is "$(STACK)"; it must be tf1 or tf2)
endif

# A misspelt variable would be ignored, and `make data TASKS=MRPC` would do nothing.
variables = STACK PYTHON_TF1 PYTHON_TF2 TASK NAME FROM BASE_URL GLUE_DIR \
	CHECKPOINT_DIR ORIGINAL DATA_DIR BENCH_ARGS GPU_ARGS SCORES_ARGS PYTEST_ARGS \
	REQUIRE
on_command_line = $(foreach name,$(.VARIABLES),$(if \
	$(filter command,$(firstword $(origin $(name)))),$(name)))
ifneq ($(filter-out $(variables) MAKE% PIP_% SHELL,$(on_command_line)),)
$(error unknown variable: $(filter-out $(variables) MAKE% PIP_% SHELL,\
	$(on_command_line)); expected some of $(strip $(variables)))
endif

.PHONY: help
help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "STACK=tf1 (TensorFlow 1.14, Python 3.7) or STACK=tf2 (TensorFlow 2.21, Python"
	@echo "3.10 to 3.13) selects one stack. A new environment uses the Python named by"
	@echo "PYTHON_TF1=PATH or PYTHON_TF2=PATH, or one found on PATH, in pyenv or in conda."

# ---- Environments: tf1, tf2, lint and bench ----

VERSIONS_tf1 = 3.7
VERSIONS_tf2 = 3.13 3.12 3.11 3.10
VERSIONS_lint = $(VERSIONS_tf2) 3.14 3.9 3.8 3.7
# That of Hugging Face's runs in docs/SCORES.md first.
VERSIONS_bench = 3.11 $(VERSIONS_tf2)
NAMED_tf1 = $(PYTHON_TF1)
NAMED_tf2 = $(PYTHON_TF2)
NAMED_bench = $(PYTHON_TF2)
ENVIRONMENTS = tf1 tf2 lint bench

find_python = scripts/find_python.sh "$(NAMED_$(1))" $(VERSIONS_$(1))
requirements = $(if $(filter bench,$(1)),benchmarks/requirements.txt,requirements-$(1).txt)
ready = $(patsubst %,.venv/%/requirements.txt,$(1))

$(ENVIRONMENTS:%=.venv/%/bin/python): .venv/%/bin/python:
	@python=$$($(call find_python,$*)) && \
	echo "Setting up .venv/$* with $$python, which may take a few minutes" && \
	"$$python" -m venv --clear .venv/$*

# An environment is ready when it contains a copy of its requirements, and the copy is as
# new as they are. It is made last, so that a failed installation is repeated.
$(call ready,$(ENVIRONMENTS)): .venv/%/requirements.txt: \
		$$(call requirements,$$*) .venv/%/bin/python
	@echo "Installing $< into .venv/$*"
	@[ $* != bench ] || benchmarks/cpu_torch.sh .venv/bench/bin/python $<
	@.venv/$*/bin/python -m pip install --disable-pip-version-check -qq \
		--retries 10 -r $<
	@cp $< $@

# The stacks that have an environment, or a Python to create it with; looked for once.
find_stack = [ -x .venv/$(1)/bin/python ] || $(find_python) >/dev/null 2>&1
available = $(eval available := $$(foreach name,tf1 tf2,$$(shell \
	if $$(call find_stack,$$(name)); then echo $$(name); fi)))$(available)
left_out = $(if $(STACK),,$(filter-out $(available) $(REQUIRE),tf1 tf2))
show_left_out = $(if $(left_out),echo "Skipped $(left_out): no Python found for it")

.PHONY: env bench-env
env: $$(call ready,$$(or $$(STACK),$$(or $$(available),tf2) lint))
env:  ## create or update the environments in .venv: tf1, tf2 and lint
	@$(show_left_out)
	@echo "Ready: $(^D)"
	@echo "To use it: source .venv/$(stack)/bin/activate"

bench-env: $(call ready,bench)  ## set up Hugging Face, for make bench and make test
	@echo "Ready: $(^D)"

# ---- Programs that run on one stack: STACK, or else the first available ----

stack = $(or $(STACK),$(firstword $(available)),tf2)
python = .venv/$(stack)/bin/python
from_where = $(if $(FROM),--from="$(FROM)") $(if $(BASE_URL),--base_url="$(BASE_URL)")

.PHONY: demo data checkpoint bench gpu-report scores errors
demo data checkpoint bench gpu-report scores: $$(call ready,$$(stack))

demo:  ## fine-tune a tiny model on example data and show the result
	@$(python) scripts/demo.py

data:  ## download GLUE data: TASK=MRPC or all; GLUE_DIR, FROM=DIR, BASE_URL=URL
	@$(python) scripts/fetch.py data $(TASK) \
		$(if $(GLUE_DIR),--glue_dir="$(GLUE_DIR)") $(from_where)

checkpoint:  ## download a checkpoint: NAME=...; CHECKPOINT_DIR=DIR, FROM, BASE_URL
	@$(python) scripts/fetch.py checkpoint $(NAME) \
		$(if $(CHECKPOINT_DIR),--checkpoint_dir="$(CHECKPOINT_DIR)") $(from_where)

bench:  ## measure speed; ORIGINAL=DIR compares, DATA_DIR=DIR, BENCH_ARGS=...
	@$(python) benchmarks/bench.py $(if $(ORIGINAL),--original="$(ORIGINAL)") \
		$(if $(DATA_DIR),--data_dir="$(DATA_DIR)") $(BENCH_ARGS)

gpu-report:  ## check a GPU and measure its speed in 10 minutes; GPU_ARGS=--full
	@$(python) benchmarks/gpu_report.py $(GPU_ARGS)

scores:  ## write docs/SCORES.md; SCORES_ARGS=--add=DIR includes a sweep's runs
	@$(python) scripts/scores_page.py $(SCORES_ARGS)

errors: $(call ready,tf2)  ## write docs/ERRORS.md from the program's own answers
	@.venv/tf2/bin/python scripts/errors_page.py

# ---- Tests: STACK, or else every stack that is available or in REQUIRE ----

stacks = $(or $(STACK),$(sort $(available) $(REQUIRE)),tf2)

.PHONY: test test-slow
test:  ## run tests on each stack; REQUIRE="tf1 tf2", ORIGINAL=DIR, PYTEST_ARGS=..
test-slow:  ## run the slow tests, which make test skips; PYTEST_ARGS=--short
test: export MARKED = not slow
test-slow: export MARKED = slow
test test-slow:
	@$(show_left_out)
	@failed=; for stack in $(stacks); do \
		echo "==== Tests on $$stack ===="; \
		$(MAKE) --no-print-directory pytest-$$stack || failed="$$failed $$stack"; \
	done; \
	[ -z "$$failed" ] || { echo "Tests FAILED on:$$failed"; exit 1; }

.PHONY: pytest-tf1 pytest-tf2
pytest-tf1 pytest-tf2: pytest-%: .venv/%/requirements.txt
	@if [ -n "$$ORIGINAL" ]; then \
		BERT_ORIGINAL=$$(cd "$$ORIGINAL" && pwd) || exit 1; export BERT_ORIGINAL; \
	fi; \
	.venv/$*/bin/python -m pytest -m "$$MARKED" -n auto --maxprocesses=4 \
		--dist=loadfile $(PYTEST_ARGS)

# ---- The rest ----

.PHONY: lint
lint: $(call ready,lint)  ## check the code's style and formatting with ruff
	@.venv/lint/bin/python -m ruff check .
	@.venv/lint/bin/python -m ruff format --check .

.PHONY: clean
clean:  ## remove the environments and the output of demo and benchmarks
	rm -rf $(ENVIRONMENTS:%=.venv/%) demo_output benchmarks/results
	@if [ -d .venv ]; then rmdir .venv 2>/dev/null || echo "Left the rest of .venv"; fi
