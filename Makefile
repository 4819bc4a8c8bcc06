# Afterhello. `make help` lists what there is to make.
.DEFAULT_GOAL := help
.PHONY: FORCE help .venv run demo test simulate lint up env lock
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

BIN := .venv/bin
READY := .venv/.made
# Two at least: the tests wait more than they compute.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -gt 2 ] && echo $$n || echo 2)
ARGS ?=

help: ## what you are reading
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.venv: $(READY) ## the environment that all others use, from deploy/requirements-dev.txt
	@true

# A clone that was moved has scripts that point to where it was.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): FORCE
endif
FORCE:

$(READY): deploy/requirements-dev.txt deploy/requirements-build.txt pyproject.toml
	@sh deploy/make-venv.sh

run: $(READY) ## all three services with a database and a mailbox of their own: start here
	@exec $(BIN)/afterhello run $(ARGS)

demo: $(READY) ## watch one form submission become three mails; leaves nothing behind
	@exec $(BIN)/afterhello demo $(ARGS)

test: $(READY) ## all tests; ARGS="-k stop tests/flow" picks some
	@$(BIN)/pytest -q -n $(WORKERS) $(ARGS)

simulate: $(READY) ## a school year of 10,000 educators, every rule checked; ARGS="--seed 7 --educators 500"
	@$(BIN)/python -m tests.simulation $(ARGS)

lint: $(READY) ## formatting, ruff, mypy (strict), who may import whom
	@$(BIN)/ruff format --quiet --check . || { echo "make: .venv/bin/ruff format . mends the formatting" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports pyproject.toml > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }

up: .env ## the real thing in containers: docker compose up
	@docker compose up -d --build --wait
	@sh deploy/after-up.sh

env: ## .env for docker compose, with fresh secrets
	@if [ -e .env ]; then echo "make: .env exists already; move it away to have a new one" >&2; exit 1; fi
	@$(MAKE) .env

.env:
	@sh deploy/make-env.sh < deploy/env.example > .env.new && chmod 600 .env.new && mv .env.new .env
	@echo "Made .env with fresh secrets. Read it, and set SMTP_URL, MAIL_FROM and PUBLIC_URL before real people use it."

lock: $(READY) ## pin the requirements anew (needs uv)
	@command -v uv > /dev/null || { echo "make: uv is needed: https://docs.astral.sh/uv" >&2; exit 1; }
	@set -e; lock() { out=deploy/$$1; shift; uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	  --no-header --python-version 3.11 "$$@" -o $$out; }; \
	lock requirements.txt pyproject.toml; \
	lock requirements-extras.txt pyproject.toml --extra dkim --extra apprise -c deploy/requirements.txt; \
	lock requirements-dev.txt pyproject.toml --extra standalone --extra dkim --extra apprise \
	  --group test --group lint --group build -c deploy/requirements-extras.txt; \
	lock requirements-build.txt --group build -c deploy/requirements-dev.txt
