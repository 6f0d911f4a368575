# Dropline's tasks. Everything written stays below .dropline/ in this copy of the repository, and no
# task uses a fixed port, so that several copies work side by side.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

STATE := .dropline
BIN   := $(STATE)/bin

# The tools are built once for each set of pinned versions and Go release.
TOOLS := $(STATE)/tools/$(shell cat tools/go.mod tools/go.sum | cksum | cut -d ' ' -f 1)-$(shell go env GOVERSION)

# Modules with code of their own. Each is linted; the product's tests need a server, the others' do not.
MODULES := . devstack faults tools/composecheck

# The race detector needs a C compiler, and Go turns cgo off where there is none.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# Narrow a run down: make test PKG=./internal/routing/... TESTFLAGS='-run TestFailover -v'
PKG       ?= ./...
TESTFLAGS ?=

SEARCH_ATTRIBUTES := internal/visibility/search-attributes.txt
WITH_STACK := $(CURDIR)/$(BIN)/devstack exec --search-attributes $(CURDIR)/$(SEARCH_ATTRIBUTES)

go_files = find . \( -name .git -o -name $(STATE) -o -name testdata \) -prune -o -name '*.go' -print

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: build devstack ## Watch orders go through failures to the cent; KEEP=1 leaves it running
	@$(WITH_STACK) -- $(BIN)/dropline-demo $(if $(filter 1 yes true,$(KEEP)),--keep)

.PHONY: dev
dev: build devstack ## Run everything for development, with simulated partners, until Ctrl-C
	@$(WITH_STACK) -- $(BIN)/dropline-demo --dev

.PHONY: build
build: ## Build worker, starter and demo into .dropline/bin
	@echo "==> build"
	@mkdir -p $(BIN)
	@go build -o $(BIN)/ ./worker ./starter ./internal/demo/dropline-demo

# What proves the product is built apart: who only runs it need not wait for that.
.PHONY: proofs
proofs: build devstack
	@go build -o $(BIN)/ ./internal/simulation/dropline-sim ./internal/crash/dropline-crash ./internal/soak/dropline-soak \
		./internal/bench/dropline-bench ./internal/mutants/dropline-mutants
	@cd faults && go build -o ../$(BIN)/ ./dropline-faults-soak

.PHONY: devstack
devstack: ## Build the embedded Temporal and Postgres stack (minutes the first time)
	@echo "==> devstack"
	@bash scripts/build-devstack.sh

.PHONY: check
check: fmt-check lint workflowcheck compose-check test sim ## All that must pass before a change lands

.PHONY: test
test: devstack ## Run all tests on a real Temporal and Postgres
	@echo "==> test$(if $(RACE),, (without the race detector: no C compiler found))"
	@$(WITH_STACK) --quiet -- go test $(RACE) -timeout 20m $(TESTFLAGS) $(PKG)
	@echo "==> test outages"
	@DROPLINE_OUTAGES=1 $(WITH_STACK) --quiet -- go test $(RACE) -timeout 10m -count 1 -run Dying ./internal/e2e/...
	@echo "==> test faults"
	@cd faults && $(WITH_STACK) --quiet -- go test -short -count 1 -timeout 10m ./matrix/
	@echo "==> test devstack"
	@cd devstack && go test -short -timeout 10m ./...

# ---- Proof: longer runs. Each ends with a line that says what it found, and fails on a violation.

SEEDS ?= 2000

.PHONY: sim
sim: proofs ## Live SEEDS whole orders in a simulated world (default 2000; SEED=n repeats one, SHRINK=5m makes it shorter)
	@echo "==> sim"
	@$(WITH_STACK) --quiet -- $(BIN)/dropline-sim --workers 3 $(if $(SEED),--seed $(SEED) $(if $(SHRINK),--shrink $(SHRINK)),--lives $(SEEDS))

.PHONY: crash
crash: proofs ## Crash the worker at a thousand points of the demo's stories (ARGS="--points 200 --seed 7")
	@echo "==> crash"
	@$(WITH_STACK) --quiet -- $(BIN)/dropline-crash $(ARGS)

.PHONY: mutants
mutants: proofs ## Break the code in many small ways, and see a test notice each (ONLY=word: some of them)
	@echo "==> mutants"
	@$(WITH_STACK) --quiet -- $(BIN)/dropline-mutants $(if $(ONLY),--only $(ONLY))

.PHONY: fuzz
fuzz: ## Try hostile input on every parser, FUZZTIME each (default 10s)
	@bash scripts/fuzz.sh

.PHONY: soak
soak: proofs ## Pour 50,000 webhooks over programs that are killed all the time (ARGS="--webhooks 5000 --seed 2")
	@echo "==> soak"
	@$(WITH_STACK) --quiet -- $(BIN)/dropline-soak $(ARGS)

.PHONY: faults
faults: proofs ## Every fault on every link, outages, a full disk (as root), a throttled Temporal and 2,000 orders under a storm of outages
	@echo "==> faults"
	@cd faults && $(WITH_STACK) --quiet -- go test -count 1 -timeout 30m ./matrix/
	@cd faults && $(if $(filter 0,$(shell id -u)),unshare -m) env DROPLINE_OUTAGES=1 $(WITH_STACK) --quiet --killable-temporal -- \
		go test -p 1 -count 1 -timeout 20m ./outages/ ./soak/
	@cd faults && DROPLINE_THROTTLED=1 $(WITH_STACK) --quiet --temporal-metrics --temporal-setting frontend.namespaceRPS=25 \
		--temporal-setting frontend.namespaceRPS.visibility=2 -- go test -count 1 -timeout 10m -run Throttled ./soak/
	@$(WITH_STACK) --quiet --killable-temporal -- $(BIN)/dropline-faults-soak -orders 2000 -within 30m

.PHONY: extremes
extremes: devstack ## The worst legal order, a year of silence, doubled messages, a storm of signals
	@echo "==> extremes"
	@DROPLINE_EXTREMES=1 $(WITH_STACK) --quiet -- go test -count 1 -timeout 20m -parallel 1 -v -run 'Storm|Doubled|Worst|AYear' ./internal/e2e

.PHONY: upgrade
upgrade: devstack ## Orders outlive a change of builds: from every release, and back to the newest
	@echo "==> upgrade"
	@DROPLINE_UPGRADE=1 $(WITH_STACK) --quiet -- go test -count 1 -timeout 10m -v -run Outlive ./internal/e2e

.PHONY: histories
histories: build devstack ## Record the golden histories of RELEASE=vX.Y
	@test -n "$(RELEASE)" || { echo "error: RELEASE is not set"; echo "hint: make histories RELEASE=v0.2"; exit 1; }
	@$(WITH_STACK) -- $(BIN)/dropline-demo --history workflows/testdata/histories/$(RELEASE)
	@RECORD_HISTORIES=$(CURDIR)/workflows/testdata/histories/$(RELEASE) $(WITH_STACK) --quiet -- go test -count 1 -run TestTalesAreTold ./internal/e2e

.PHONY: bench
bench: proofs ## Count and time what Dropline takes, into bench/results/latest.json (ARGS=--quick: two minutes)
	@echo "==> bench"
	@$(WITH_STACK) --quiet --temporal-metrics -- $(BIN)/dropline-bench $(ARGS)

.PHONY: walls
walls: ## Check the walls between layers, the house rules and the list of dependencies
	@echo "==> walls"
	@go test ./internal/architecture/...

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Run the linters on every module
	@for module in $(MODULES); do \
		echo "==> lint $$module"; \
		(cd $$module && $(CURDIR)/$(TOOLS)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...) || exit 1; \
	done

.PHONY: workflowcheck
workflowcheck: $(TOOLS)/workflowcheck ## Check that workflows are deterministic
	@echo "==> workflowcheck"
	@$(CURDIR)/tools/workflowcheck.sh $(TOOLS)/workflowcheck

.PHONY: compose-check
compose-check: ## Validate docker-compose.yml without a container engine
	@echo "==> compose-check"
	@cd tools/composecheck && go test ./...

.PHONY: fmt
fmt: $(TOOLS)/gofumpt ## Format all Go code
	@$(go_files) | xargs $(TOOLS)/gofumpt -w

.PHONY: fmt-check
fmt-check: $(TOOLS)/gofumpt ## Fail if some Go code is not formatted
	@echo "==> fmt-check"
	@unformatted=$$($(go_files) | xargs $(TOOLS)/gofumpt -l) && if [ -n "$$unformatted" ]; then \
		echo "error: not formatted:"; echo "$$unformatted"; echo "hint: run 'make fmt'"; exit 1; fi

.PHONY: tools
tools: $(TOOLS)/golangci-lint $(TOOLS)/gofumpt $(TOOLS)/workflowcheck ## Build the pinned tools (a minute or two the first time)

$(TOOLS)/golangci-lint: package := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/gofumpt:       package := mvdan.cc/gofumpt
$(TOOLS)/workflowcheck: package := go.temporal.io/sdk/contrib/tools/workflowcheck
$(TOOLS)/%:
	@echo "==> tool $*"
	@mkdir -p $(@D)
	@go build -C tools -o $(CURDIR)/$@ $(package)

.PHONY: clean
clean: ## Remove all that was built or left by runs
	@rm -rf $(STATE)
