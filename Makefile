# Targets for maintainers: `make help` lists them.
SHELL   := /bin/bash
GO      ?= go
OUT     ?= out
RECIPE  ?= recipes/planktoscope.yml
IMAGE   ?= $(OUT)/planktoscope.img
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# containers_image_openpgp verifies signatures of container images in Go instead of with a C library.
TAGS    := containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper
# Programs that tests build get the same tags.
export GOFLAGS := -tags=$(TAGS)
# The pallets take the instrument's programs from container images that are built here.
export PKCTL_MIRRORS := $(PKCTL_MIRRORS) ghcr.io/planktoscope/pkcontroller=oci:$(abspath $(OUT))/containers ghcr.io/planktoscope/pksegmenter=oci:$(abspath $(OUT))/containers

LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath

# Tests with a real Docker, that of this machine and that of Debian trixie.
DOCKER_TESTS = TestImagesBelongToTheirStage|TestStageWithoutPins|TestDamagedLayerIsFetchedAgain|TestPowerCutsBetweenPullAndNext

SCENARIOS = $(OUT)/bin/pkbuild test --scenarios qemu/scenarios --jobs 2
HOST      = $(shell dpkg --print-architecture)

# Some tests mount file systems, for which an ordinary user needs sudo. Builds use a user namespace.
SUDO    := $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env env "PATH=$$PATH" "HOME=$$HOME")

.DEFAULT_GOAL := help
.PHONY: help image programs containers services build boot test boot-test container-test boot-soak unit lint bench bench-debian bench-containers bench-segmenter docs man reference deps clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

image: deps build programs ## Build out/planktoscope.img from recipes/planktoscope.yml
	$(OUT)/bin/pkbuild image $(RECIPE) -o $(IMAGE)

programs: build ## Build the container images from which the stages take the instrument's programs in out/containers
	$(OUT)/bin/pkbuild container recipes/containers/controller.yml -q -o oci:$(OUT)/containers:controller
	$(OUT)/bin/pkbuild container recipes/containers/segmenter.yml -q -o oci:$(OUT)/containers:segmenter

containers: deps build ## Build the container images of recipes/containers in out/containers
	set -e; for recipe in recipes/containers/*.yml; do \
		$(OUT)/bin/pkbuild container $$recipe -o oci:$(OUT)/containers:$$(basename $$recipe .yml); \
	done

services: containers ## Build out/services.img from recipes/services.yml, with four services in these containers
	$(OUT)/bin/pkbuild lock recipes/services.yml
	$(OUT)/bin/pkbuild image recipes/services.yml -o $(OUT)/services.img

build: ## Compile pkbuild, pkctl and the helpers that go into images
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o $(OUT)/bin/pkbuild ./cmd/pkbuild
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o $(OUT)/bin/pkctl ./cmd/pkctl
	set -e; for arch in arm64 $(filter-out arm64,$(shell $(GO) env GOHOSTARCH)); do \
		GOARCH=$$arch $(GOBUILD) -ldflags '-s -w' -o $(OUT)/bin/pkinit-$$arch ./cmd/pkinit; \
		GOARCH=$$arch $(GOBUILD) -ldflags '-s -w' -o $(OUT)/bin/pkctl-$$arch ./cmd/pkctl; \
		GOARCH=$$arch $(GOBUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o $(OUT)/bin/pkcontroller-$$arch ./cmd/pkcontroller; \
		GOARCH=$$arch $(GOBUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o $(OUT)/bin/pksegmenter-$$arch ./cmd/pksegmenter; \
	done

boot: image ## Boot the image in QEMU and report its defects
	$(OUT)/bin/pkbuild boot $(IMAGE)

test: image ## Run all tests: unit tests, kernel tests, comparisons with other tools, stories, and the shortest set of scenarios in QEMU
	$(SUDO) env PKBUILD_TEST_STRICT=1 PKBUILD_TEST_IMAGE=$(abspath $(IMAGE)) PKBUILD_TEST_BIN=$(abspath $(OUT)/bin) PKBUILD_TEST_TREES=500 PKBUILD_TEST_SEQUENCES=100000 \
		$(GO) test -p 1 -timeout 30m ./...
	$(MAKE) container-test
	$(SCENARIOS) --short --image $(IMAGE) --junit $(OUT)/scenarios.xml $(RECIPE)

boot-test: image services ## Run all scenarios in QEMU, two at a time
	$(SCENARIOS) --image $(IMAGE) --junit $(OUT)/scenarios.xml --page $(OUT)/scenarios.md $(RECIPE)
	$(SCENARIOS) --image $(OUT)/services.img --junit $(OUT)/scenarios-services.xml recipes/services.yml
	env PKBUILD_TEST_STRICT=1 PKBUILD_TEST_BOOTS=1 PKBUILD_TEST_IMAGE=$(abspath $(IMAGE)) PKBUILD_TEST_BIN=$(abspath $(OUT)/bin) \
		PKBUILD_TEST_SERVICES=$(abspath $(OUT)/services.img) \
		$(GO) test -timeout 60m -run 'TestDockerInTheImage|TestStandardPallet|TestExpectationsFail' -v ./testscripts
	$(SUDO) .ci/docker-tree $(abspath $(OUT)/docker-tree)
	for tree in "" $(abspath $(OUT)/docker-tree); do \
		$(SUDO) env PKBUILD_TEST_STRICT=1 PKBUILD_TEST_CUTS=100 PKBUILD_TEST_DOCKER_TREE=$$tree \
			$(GO) test -count=1 -run '$(DOCKER_TESTS)' -v ./stages/device || exit 1; \
	done

container-test: build ## Run the scenarios that need no kernel of their own in containers, with an image for this machine
	set -e; for name in controller segmenter; do \
		$(OUT)/bin/pkbuild container --arch $(HOST) recipes/containers/$$name.yml -q -o oci:$(OUT)/containers-$(HOST):$$name; \
	done
	PKCTL_MIRRORS="$(subst /containers,/containers-$(HOST),$(PKCTL_MIRRORS))" $(SUDO) $(SCENARIOS) --machine container --arch $(HOST) \
		--junit $(OUT)/scenarios-container.xml $(RECIPE)

boot-soak: image ## Cut the power N times (default 1000) at random moments, from a SEED, and check what each cut leaves
	$(OUT)/bin/pkbuild soak --scenario qemu/scenarios/soak.yml --cuts $(or $(N),1000) $(if $(SEED),--seed $(SEED)) --sample 50 --jobs 2 $(if $(SOAK_DIR),--dir $(SOAK_DIR)) $(IMAGE)

unit: ## Run the tests that need no image; skipped tests say what they lack
	$(GO) test ./...

lint: ## Check formatting, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: image ## Benchmark the writing of disks against mke2fs -d and cp: time, memory, ratios
	$(GO) build -o $(OUT)/bin/bench ./builder/bench/disk
	$(SUDO) $(OUT)/bin/bench -recipe $(RECIPE) -helpers $(OUT)/bin

docs: build ## Write the generated parts of docs/ and of recipes/
	$(GO) test ./recipes -run TestShippedIndex -update
	$(OUT)/bin/pkbuild docs docs
	$(OUT)/bin/pkbuild man --markdown docs/cli
	$(OUT)/bin/pkctl man --markdown docs/cli
	$(GO) run ./cmd/pksegmenter man --markdown docs/cli
	$(GO) run ./cmd/pkcontroller man --markdown docs/cli
	$(GO) run ./cmd/pkinit/man man --markdown docs/cli

reference: ## Make the golden file of the segmenter anew, with python3-opencv and python3-skimage
	$(GO) test ./services/segmenter -run TestReference -update

man: build ## Write the man pages of pkbuild, pkctl, pkinit and pksegmenter to out/man
	$(OUT)/bin/pkbuild man $(OUT)/man
	$(OUT)/bin/pkctl man $(OUT)/man
	$(GO) run ./cmd/pksegmenter man $(OUT)/man
	$(GO) run ./cmd/pkinit/man man $(OUT)/man

bench-debian: build ## Benchmark against mmdebstrap and debos, as root: takes half an hour on an idle machine
	.ci/bench-debian $(OUT)/bin/pkbuild recipes/planktoscope.yml

bench-containers: ## Benchmark preloaded container images against docker pull, and skopeo copy with docker load
	$(GO) build -o $(OUT)/bin/bench-containers ./builder/bench/images
	$(SUDO) $(OUT)/bin/bench-containers

bench-segmenter: ## Benchmark the segmenter against OpenCV and scikit-image: time, memory, objects against the ground truth
	$(GOBUILD) -o $(OUT)/bin/pksegmenter ./cmd/pksegmenter
	$(GO) run ./services/segmenter/bench -pksegmenter $(OUT)/bin/pksegmenter

deps: ## Install missing packages with apt
	@.ci/deps

clean: ## Remove out/; the cache of layers stays
	rm -rf $(OUT)
