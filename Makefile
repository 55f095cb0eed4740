# Sets up, tests and shows the program. Needs Python, a POSIX shell and GNU make.

.NOTPARALLEL:
.DEFAULT_GOAL = help

# The caller's shell may carry settings that would reach into the environments here.
unexport PYTHONHOME PYTHONPATH CDPATH PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_USER = 0

ifneq ($(filter-out tf1 tf2,$(STACK)),)
$(error STACK is "$(STACK)": it must be tf1 or tf2)
endif

# The targets called from within run in turn, whatever -j was given; the variables given
# reach them through the environment.
submake = MAKEFLAGS= $(MAKE) --no-print-directory

ABOUT_tf1 = TensorFlow 1.14, Python 3.7
ABOUT_tf2 = TensorFlow 2.21, Python 3.10 to 3.13
ABOUT_lint = ruff, Python 3.7 or newer
ABOUT_bench = Hugging Face for the benchmarks, Python 3.10 to 3.13

.PHONY: help
help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "STACK=tf1 (TensorFlow 1.14) or STACK=tf2 (TensorFlow 2.21) chooses one for env,"
	@echo "demo, data, checkpoint, scores, test and bench. PYTHON_TF1=PATH, PYTHON_TF2=PATH"
	@echo "name a Python. For data and checkpoint, FROM=DIR takes the files from a folder and"
	@echo "BASE_URL=URL from a mirror."

# ---- Environments ----

# An environment is ready when it holds a copy of the requirements that it was made
# from; that copy is put there last, so a failed installation leaves none. A Python
# that the caller names must also be the one that it was made with.
PINS = .venv/tf1/requirements.txt .venv/tf2/requirements.txt \
	.venv/lint/requirements.txt .venv/bench/requirements.txt
NAMED_tf1 = $(PYTHON_TF1)
NAMED_tf2 = $(PYTHON_TF2)

# What an environment is made from, and whose Python it takes.
FROM_bench = benchmarks/requirements.txt
PYTHON_OF_bench = tf2
from = $(or $(FROM_$*),requirements-$*.txt)
python_of = $(or $(PYTHON_OF_$*),$*)

# Whether it starts, and is made with the Python that the caller names, if any.
define has_python
.venv/$*/bin/python -c "" 2>/dev/null && \
{ [ -z "$(NAMED_$*)" ] || \
	[ "$$(scripts/find_python.sh $(python_of))" = "$$(cat .venv/$*/made-with.txt)" ]; }
endef

# A registry may fail for a moment: pip tries again itself, and is then run once more.
define install
.venv/$*/bin/python -m pip install --disable-pip-version-check -q -q --retries 10 \
	-r .venv/$*/requirements.new
endef

log = .venv/$*.log

.PHONY: FORCE
FORCE:

# New pins are installed into an environment that is there. One that must be made anew
# stands aside until the new one is whole, and comes back if that fails or is ended.
define make_anew
python=$$(scripts/find_python.sh $(python_of)) || { \
	echo "No Python found for .venv/$* ($(ABOUT_$*))" >&2; exit 1; }; \
echo "Setting up .venv/$* ($(ABOUT_$*)), which may take a few minutes"; \
mkdir -p .venv && { [ ! -d .venv/$* ] || mv .venv/$* .venv/$*.old; } && \
"$$python" -m venv .venv/$* >$(log) 2>&1 && \
printf '%s\n' "$$python" >.venv/$*/made-with.txt
endef

define restore
[ ! -d .venv/$*.old ] || { rm -rf .venv/$* && mv .venv/$*.old .venv/$*; }
endef

$(PINS): .venv/%/requirements.txt: FORCE
	@if cmp -s $(from) $@ && $(has_python); then rm -rf .venv/$*.old; exit 0; fi; \
	$(restore); \
	if [ -e $@ ] && $(has_python); then \
		echo "Renewing .venv/$* ($(ABOUT_$*)), which may take a few minutes"; \
	else \
		$(make_anew); \
	fi && \
	cp $(from) .venv/$*/requirements.new && \
	{ $(install) >$(log) 2>&1 || $(install) >$(log) 2>&1; } || { \
		tail -n 20 $(log) >&2; \
		echo "Setting up .venv/$* failed; all it said is in $(log)" >&2; \
		$(restore); \
		exit 1; }; \
	rm -f $(log) && mv .venv/$*/requirements.new $@ && rm -rf .venv/$*.old

# $(call possible,NAME): a shell command: is the environment there, or a Python for it?
possible = { .venv/$(1)/bin/python -c "" 2>/dev/null || \
	scripts/find_python.sh $(1) >/dev/null; }

# $(call set_up,NAME): a shell command; a left-out environment is no failure unless
# STACK asks for it.
define set_up
if [ -n "$(STACK)" ] || $(call possible,$(1)); then \
	$(submake) .venv/$(1)/requirements.txt && echo ".venv/$(1) is ready"; \
else \
	echo "Left out .venv/$(1): no Python found for it ($(ABOUT_$(1)))"; \
fi
endef

.PHONY: env
env:  ## create or renew the environments in .venv: tf1, tf2 and lint
	@$(call set_up,$(or $(STACK),tf1))
ifeq ($(STACK),)
	@$(call set_up,tf2)
	@$(call set_up,lint)
endif

# ---- Demo, downloads and benchmark: one stack ----

# $(call on_one_stack,WHAT): a shell command that makes WHAT-tf1 or WHAT-tf2.
define on_one_stack
stack=$(STACK); \
if [ -z "$$stack" ] && $(call possible,tf1); then stack=tf1; fi; \
if [ -z "$$stack" ]; then \
	stack=tf2; echo "No Python 3.7 found, so this runs on TensorFlow 2 (STACK=tf2)"; \
fi; \
$(submake) $(1)-$$stack
endef

.PHONY: demo demo-tf1 demo-tf2
demo:  ## fine-tune a tiny model on example data and show the result
	@$(call on_one_stack,demo)

demo-tf1 demo-tf2: demo-%: .venv/%/requirements.txt
	@.venv/$*/bin/python scripts/demo.py

# $(call fetch,WHAT): a shell command: fetching needs no TensorFlow and no latest pins,
# so any environment that has the libraries for it will do; else one is set up.
define fetch
for stack in $(or $(STACK),tf1 tf2); do \
	if .venv/$$stack/bin/python -c "import pooch, requests, tqdm" 2>/dev/null; then \
		exec .venv/$$stack/bin/python $(fetch_$(1)); \
	fi; \
done; \
$(call on_one_stack,$(1))
endef

from_where = $(if $(FROM),--from="$(FROM)") $(if $(BASE_URL),--base_url="$(BASE_URL)")
fetch_data = scripts/fetch.py data $(TASK) \
	$(if $(GLUE_DIR),--glue_dir="$(GLUE_DIR)") $(from_where)
fetch_checkpoint = scripts/fetch.py checkpoint $(NAME) \
	$(if $(CHECKPOINT_DIR),--checkpoint_dir="$(CHECKPOINT_DIR)") $(from_where)

.PHONY: data data-tf1 data-tf2
data:  ## get GLUE data: TASK=MRPC or all; GLUE_DIR=DIR, FROM=DIR, BASE_URL=URL
	@$(call fetch,data)

data-tf1 data-tf2: data-%: .venv/%/requirements.txt
	@.venv/$*/bin/python $(fetch_data)

.PHONY: checkpoint checkpoint-tf1 checkpoint-tf2
checkpoint:  ## get Google's checkpoint NAME=...; CHECKPOINT_DIR=DIR, FROM, BASE_URL
	@$(call fetch,checkpoint)

checkpoint-tf1 checkpoint-tf2: checkpoint-%: .venv/%/requirements.txt
	@.venv/$*/bin/python $(fetch_checkpoint)

.PHONY: bench bench-tf1 bench-tf2
bench:  ## measure speed; ORIGINAL=DIR compares, DATA_DIR=DIR, BENCH_ARGS=...
	@$(call on_one_stack,bench)

bench-tf1 bench-tf2: bench-%: .venv/%/requirements.txt
	@.venv/$*/bin/python benchmarks/bench.py $${ORIGINAL:+"--original=$$ORIGINAL"} \
		$${DATA_DIR:+"--data_dir=$$DATA_DIR"} $(BENCH_ARGS)

.PHONY: errors
errors: .venv/tf2/requirements.txt  ## write docs/ERRORS.md from the program's own answers
	@.venv/tf2/bin/python scripts/errors_page.py

.PHONY: scores scores-tf1 scores-tf2
scores:  ## write docs/SCORES.md; SCORES_ARGS=--add=DIR takes in a sweep's runs
	@$(call on_one_stack,scores)

scores-tf1 scores-tf2: scores-%: .venv/%/requirements.txt
	@.venv/$*/bin/python scripts/scores_page.py $(SCORES_ARGS)

.PHONY: bench-env
bench-env: .venv/bench/requirements.txt  ## set up Hugging Face, for make bench
	@echo ".venv/bench is ready"

# ---- Tests: every stack that can run here ----

.PHONY: test-tf1 test-tf2
test-tf1 test-tf2: test-%: .venv/%/requirements.txt
	@if [ -n "$$ORIGINAL" ]; then \
		BERT_ORIGINAL=$$(cd "$$ORIGINAL" && pwd) || exit 1; export BERT_ORIGINAL; \
	fi; \
	.venv/$*/bin/python -m pytest tests -m "$${MARKED:-not slow}" -n auto \
		--maxprocesses=4 --dist=loadfile $(PYTEST_ARGS)

# $(call run_suite,STACK): shell commands that add STACK to $passed or $failed, or to
# $left_out. A stack that is asked for by name must not be left out.
define run_suite
if $(call possible,$(1)); then \
	echo "==== Tests on $(1): $(ABOUT_$(1)) ===="; \
	if $(submake) test-$(1); then passed="$$passed $(1)"; else failed="$$failed $(1)"; fi; \
else \
	left_out="$$left_out$${left_out:+,} $(1) ($(ABOUT_$(1)): no such Python found)"; \
	case " $(STACK) $(REQUIRE) " in *" $(1) "*) failed="$$failed $(1)" ;; esac; \
fi;
endef

.PHONY: test test-slow
test:  ## run tests on each stack; REQUIRE="tf1 tf2", ORIGINAL=DIR, PYTEST_ARGS=..
test-slow:  ## run the slow tests, which test leaves out
test-slow: export MARKED = slow
test test-slow:
	@passed= failed= left_out=; \
	$(foreach stack,$(or $(STACK),tf1 tf2),$(call run_suite,$(stack))) \
	[ -z "$$passed" ] || echo "Tests passed on:$$passed"; \
	[ -z "$$left_out" ] || echo "Left out:$$left_out"; \
	[ -z "$$failed" ] || echo "Tests FAILED on:$$failed"; \
	[ -n "$$passed" ] && [ -z "$$failed" ]

# ---- The rest ----

.PHONY: lint
lint: .venv/lint/requirements.txt  ## check the code's style and formatting with ruff
	@.venv/lint/bin/python -m ruff check .
	@.venv/lint/bin/python -m ruff format --check .

.PHONY: clean
clean:  ## remove the environments and what demo and benchmark wrote
	rm -rf .venv/tf1 .venv/tf2 .venv/lint .venv/bench .venv/*.old .venv/*.log demo_output \
		benchmarks/results
	@if [ -d .venv ]; then rmdir .venv 2>/dev/null || echo "Left the rest of .venv"; fi
