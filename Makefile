# What a maintainer runs: `make image`, `make test`. `make help` lists all.
SHELL   := /bin/bash
GO      ?= go
OUT     ?= out
RECIPE  ?= recipes/planktoscope.yml
IMAGE   ?= $(OUT)/planktoscope.img
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Without the first of these images' signatures are not verified: the library would ask for a library in C.
TAGS    := containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper
# Programs that tests build get the same tags.
export GOFLAGS := -tags=$(TAGS)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath

SCENARIOS = $(OUT)/bin/pkbuild test --scenarios qemu/scenarios --jobs 2

# Some tests mount: an ordinary user is asked for sudo for these, and builds in a user namespace.
SUDO    := $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env env "PATH=$$PATH" "HOME=$$HOME")

.DEFAULT_GOAL := help
.PHONY: help image containers services build boot test boot-test unit lint bench bench-debian bench-containers docs man deps clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

image: deps build ## Build out/planktoscope.img from recipes/planktoscope.yml
	$(OUT)/bin/pkbuild image $(RECIPE) -o $(IMAGE)

containers: deps build ## Build the container images of recipes/containers in out/containers
	set -e; for recipe in recipes/containers/*.yml; do \
		$(OUT)/bin/pkbuild container $$recipe -o oci:$(OUT)/containers:$$(basename $$recipe .yml); \
	done

services: containers ## Build out/services.img, with four services in these containers, from recipes/services.yml
	$(OUT)/bin/pkbuild lock recipes/services.yml
	$(OUT)/bin/pkbuild image recipes/services.yml -o $(OUT)/services.img

build: ## Compile pkbuild, pkctl and the helpers that go into images
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o $(OUT)/bin/pkbuild ./cmd/pkbuild
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o $(OUT)/bin/pkctl ./cmd/pkctl
	GOARCH=arm64 $(GOBUILD) -ldflags '-s -w' -o $(OUT)/bin/pkinit-arm64 ./cmd/pkinit
	GOARCH=arm64 $(GOBUILD) -ldflags '-s -w' -o $(OUT)/bin/pkctl-arm64 ./cmd/pkctl

boot: image ## Boot the image in QEMU and report what was found
	$(OUT)/bin/pkbuild boot $(IMAGE)

test: image ## Run all tests: unit, kernel, other tools' opinions, stories, and the shortest set of scenarios in QEMU
	$(SUDO) env PKBUILD_TEST_STRICT=1 PKBUILD_TEST_IMAGE=$(abspath $(IMAGE)) PKBUILD_TEST_BIN=$(abspath $(OUT)/bin) PKBUILD_TEST_TREES=500 PKBUILD_TEST_SEQUENCES=100000 \
		$(GO) test -p 1 -timeout 30m ./...
	$(SCENARIOS) --short --image $(IMAGE) --junit $(OUT)/scenarios.xml $(RECIPE)

boot-test: image services ## Run all scenarios in QEMU, two at a time
	$(SCENARIOS) --image $(IMAGE) --junit $(OUT)/scenarios.xml --page $(OUT)/scenarios.md $(RECIPE)
	$(SCENARIOS) --image $(OUT)/services.img --junit $(OUT)/scenarios-services.xml recipes/services.yml
	env PKBUILD_TEST_STRICT=1 PKBUILD_TEST_BOOTS=1 PKBUILD_TEST_IMAGE=$(abspath $(IMAGE)) PKBUILD_TEST_BIN=$(abspath $(OUT)/bin) \
		PKBUILD_TEST_SERVICES=$(abspath $(OUT)/services.img) \
		$(GO) test -timeout 60m -run 'TestDockerInTheImage|TestStandardPallet|TestExpectationsFail' -v ./testscripts

unit: ## Run the tests that need no image; those that lack something else say so and are skipped
	$(GO) test ./...

lint: ## Check formatting, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: image ## Compare the writing of disks with mke2fs -d and cp: time, memory, and their ratios
	$(GO) build -o $(OUT)/bin/bench ./builder/bench/disk
	$(SUDO) $(OUT)/bin/bench -recipe $(RECIPE) -helpers $(OUT)/bin

docs: build ## Write the generated parts of docs/
	$(OUT)/bin/pkbuild docs docs
	$(OUT)/bin/pkbuild man --markdown docs/cli
	$(OUT)/bin/pkctl man --markdown docs/cli

man: build ## Write the man pages of pkbuild and pkctl to out/man
	$(OUT)/bin/pkbuild man $(OUT)/man
	$(OUT)/bin/pkctl man $(OUT)/man

bench-debian: build ## Measure against mmdebstrap and debos, as root: takes half an hour of a quiet machine
	.ci/bench-debian $(OUT)/bin/pkbuild recipes/planktoscope.yml

bench-containers: ## Measure the pre-pull of a container image against docker pull, and skopeo copy with docker load
	$(GO) build -o $(OUT)/bin/bench-containers ./builder/bench/images
	$(SUDO) $(OUT)/bin/bench-containers

deps: ## Install what is missing, with apt
	@.ci/deps

clean: ## Remove what was built here; the cache of layers stays
	rm -rf $(OUT)
