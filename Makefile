SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# Networks with certificates of their own are trusted as the system trusts them.
export UV_SYSTEM_CERTS := 1
# Where it is set, each of hundreds of processes would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
UV = $(shell if uv --version >/dev/null 2>&1; then echo uv; else echo .tools/bin/uv; fi)
BIN := .venv/bin
READY := .venv/.ready
# Half of what most tests do is waiting; of what starts processes each has need of a core.
WORKERS ?= 6
CORES ?= 2
# The tests write thousands of small databases: into memory, where 2 GB of it are free. They write
# programs too, which some systems start nowhere in there.
SCRATCH ?= $(shell grep -qs '^[^ ]* /dev/shm [^ ]* [^ ]*noexec' /proc/mounts || \
  df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 2000000 { print "/dev/shm" }')

##@ Use
.PHONY: setup demo
setup: $(READY) ## Make .venv with everything locked (PYTHON=python3.12 picks the interpreter)
	@echo "ready: $(BIN)/hub --help"

demo: $(READY) ## A simulated company in your browser (ARGS="--port 8123 --fast")
	@$(BIN)/hub demo $(ARGS)

##@ Change
.PHONY: test format schema docs lock clean
test: $(READY) ## The tests, on SQLite and real PostgreSQL and Redis (ARGS="-k routing")
	@export TESTS_IN=$$(mktemp -d "$(or $(SCRATCH),/tmp)/hub-tests-XXXXXXXX"); chmod 711 "$$TESTS_IN"; \
	  trap 'rm -rf "$$TESTS_IN"' EXIT; \
	  $(BIN)/pytest --basetemp "$$TESTS_IN/tmp" -n $(WORKERS) --dist loadfile -m "not (certified or live or browser or faults or deploy or long or conformance or vendors or processes)" $(ARGS)

format: $(READY) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

schema: $(READY) ## Write schema.graphql from the code
	@mkdir -p build
	@$(BIN)/hub schema > build/schema.graphql
	@mv build/schema.graphql schema.graphql

docs: $(READY) ## Write docs/connectors.md from the connectors, with the level of each (minutes)
	@$(BIN)/python -m tests.manual

lock: $(READY) ## Write the locks from pyproject.toml (UPGRADE=1 takes newer versions)
	@$(COMPILE) $(ALL) --output-file requirements.lock $(if $(UPGRADE),--upgrade --exclude-newer "7 days")
	@$(COMPILE) $(IMAGE) --output-file deploy/requirements.lock

clean: ## Remove what is generated, the environment included
	@rm -rf .venv .tools build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find hub connectors tests -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Check
.PHONY: check lint types imports schema-check lock-check
check: lint types imports schema-check lock-check test ## All that must be green before a commit

lint: $(READY) ## Style (ruff)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(READY) ## Types (mypy --strict, ty)
	@$(BIN)/mypy
	@$(BIN)/ty check hub connectors tests

imports: $(READY) ## Who may import whom
	@$(BIN)/lint-imports --no-logo

schema-check: $(READY) ## schema.graphql is what the code says
	@$(BIN)/hub schema | diff schema.graphql - || { echo 'run `make schema`' >&2; exit 1; }

lock-check: $(READY) ## The locks are what pyproject.toml says
	@mkdir -p build/deploy
	@cp requirements.lock build/requirements.lock
	@cp deploy/requirements.lock build/deploy/requirements.lock
	@$(COMPILE) $(ALL) --output-file build/requirements.lock
	@$(COMPILE) $(IMAGE) --output-file build/deploy/requirements.lock
	@diff requirements.lock build/requirements.lock \
	  && diff deploy/requirements.lock build/deploy/requirements.lock \
	  || { echo 'run `make lock`' >&2; exit 1; }

##@ Prove
.PHONY: bench examples processes certify crash model faults live deploy-check browser long conformance vendors
bench: $(READY) ## Speed against baselines, to build/bench.json (ONLY=query,fanout LONG=1)
	@mkdir -p build
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(LONG),--long)

certify: $(READY) ## Every connector against its stand-in with faults (ARGS="-k zendesk")
	@$(BIN)/pytest -n $(CORES) --dist loadfile -m certified $(ARGS)

examples: $(READY) ## The properties that take longest, on five times as many examples (EXAMPLES=50)
	@EXAMPLES=$(or $(EXAMPLES),5) $(BIN)/pytest -n $(WORKERS) -m examples $(ARGS)

processes: $(READY) ## The hub as processes of its own: start, serve, end, kill, go on (ARGS="-k serve")
	@$(BIN)/pytest -n $(CORES) --dist loadfile -m "processes and not long" $(ARGS)

vendors: $(READY) ## What vendors publish (HUB_CONTRACTS, ../shared/contracts), by the connectors
	@$(BIN)/pytest -m vendors -v $(ARGS)

crash: $(READY) ## Kill -9 again and again, and count what is lost (N=200 MODE=scaled SEED=1)
	@$(BIN)/python -m tests.crash $(if $(N),--rounds $(N)) $(if $(MODE),--mode $(MODE)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT))

model: $(READY) ## Live streams under whatever happens: no gap, no repeat, no leak (N=10000 MODE=scaled SEED=1)
	@$(BIN)/python -m tests.model $(if $(N),--steps $(N)) $(if $(MODE),--mode $(MODE)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT)) $(ARGS)

faults: $(READY) ## With databases stopped, disks full and sources mad (as root also tmpfs)
	@$(BIN)/pytest -m faults $(ARGS)

live: $(READY) ## Against real third-party systems, which are installed and started (Debian, root)
	@$(BIN)/pytest -m live $(ARGS)

deploy-check: $(READY) ## deploy/ by Debian's own tools: built, verified, run (Debian, root)
	@$(BIN)/pytest -m deploy -o faulthandler_timeout=600 $(ARGS)

browser: $(READY) ## The dashboard in Debian's chromium
	@$(BIN)/pytest -m browser $(ARGS)

long: $(READY) ## What takes minutes: stress of the log and the leases, takeovers in real time
	@$(BIN)/pytest -n $(CORES) --dist loadfile -m long $(ARGS)

conformance: $(READY) ## By composers, audits, clients, fuzzers of others (node, npm; CASES=40: 2,000)
	@$(if $(CASES),CASES=$(CASES)) $(if $(SEED),SEED=$(SEED)) \
	  $(BIN)/pytest -m conformance -o faulthandler_timeout=600 $(ARGS)

##@ Help
.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Universal, hashed, and without any index's address: it installs from whichever index you use.
COMPILE = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 \
  --generate-hashes --custom-compile-command "make lock"
ALL := --all-extras --group dev
# What runs in the image: the same versions, without what developers need.
IMAGE := --extra scaled --extra traces --group image --constraints requirements.lock --no-annotate

$(READY): requirements.lock pyproject.toml
	@.ci/setup
