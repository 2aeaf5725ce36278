# tare: build, run, test. `make help` lists the targets.

VERSION := 0.1.0
COMMIT  := $(shell git describe --always --dirty --abbrev=12 2>/dev/null)
PREFIX  ?= /usr/local
DESTDIR ?=
GO      ?= go

# No C, no help templates of the CLI library that nobody renders; the same bytes from the same sources.
TAGS    := urfave_cli_no_template
LDFLAGS := -s -w -buildid= -X tare/internal/cli.version=$(VERSION) -X tare/internal/cli.commit=$(COMMIT)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags $(TAGS)
SOURCES := $(shell find . -name '*.go' -not -name '*_test.go' -not -path './tests/*') go.mod go.sum

ARCHES  := amd64 arm64 riscv64 ppc64le s390x arm 386 loong64
PAGES   := $(wildcard man/*.8.md)

.DEFAULT_GOAL := tare

tare: $(SOURCES) Makefile ## build ./tare, static (the default)
	$(BUILD) -ldflags '$(LDFLAGS)' -o $@ .

# The other engine for seccomp profiles needs cgo and libseccomp-dev. Linked statically all the same: exec runs the binary in the container's
# mount namespace, whose loader and libraries must not become part of it. What the engine cannot do, docs/seccomp.md says.
LIBSECCOMP := -tags $(TAGS),libseccomp,osusergo,netgo

tare-libseccomp: $(SOURCES) Makefile ## build ./tare-libseccomp, whose seccomp profiles libseccomp compiles (cgo)
	CGO_ENABLED=1 $(GO) build -trimpath -buildvcs=false $(LIBSECCOMP) -ldflags '$(LDFLAGS) -linkmode external -extldflags "-static"' -o $@ .

.PHONY: help run test test-libseccomp bench-seccomp tables test-vm conformance conformance-vm client-deps test-clients test-clients-vm test-all bench fuzz lint man install cross clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: tare ## run a container under limits, and show what it sees beside what the host has
	@$(GO) run ./tests/demo -tare ./tare

test: tare ## run all tests that need no more than Go (and root for most: the rest says what it left out)
	@CGO_ENABLED=0 $(GO) build -o tests/report/report ./tests/report
	@CGO_ENABLED=0 TARE=$(CURDIR)/tare $(GO) test -json -tags $(TAGS) -timeout 30m ./... | tests/report/report

test-libseccomp: tare-libseccomp ## run the oracle: both engines over well-known profiles and 10,000 generated ones; and the tests of a build with libseccomp
	CGO_ENABLED=1 $(GO) vet $(LIBSECCOMP) ./seccomp/...
	CGO_ENABLED=1 $(GO) test $(LIBSECCOMP) -timeout 20m ./seccomp/... ./libcontainer/features
	CGO_ENABLED=0 TARE=$(CURDIR)/tare-libseccomp $(GO) test -tags $(TAGS) -run Seccomp ./tests/integration

bench-seccomp: ## measure both engines for seccomp profiles in turns: a ratio below 1 means that ours is the faster one
	CGO_ENABLED=1 $(GO) test $(LIBSECCOMP) -run '^$$' -bench Engines -benchtime 1x ./seccomp

TABLES_DEB := linux-source-6.12
tables: ## make the tables of system calls anew, from the kernel source that Debian has
	@dir=$$(mktemp -d) && trap 'rm -r "$$dir"' EXIT && (cd "$$dir" && apt-get download -qq -o APT::Sandbox::User=root $(TABLES_DEB)) && \
	  dpkg-deb --fsys-tarfile "$$dir"/$(TABLES_DEB)_*.deb | tar -xO ./usr/src/$(TABLES_DEB).tar.xz | \
	  tar -xJ -C "$$dir" --wildcards '*/syscall*.tbl' && \
	  KERNEL_SOURCE="$$dir/$(TABLES_DEB)" $(GO) generate ./seccomp/syscalls

# What cgroup v2 and its controllers make a difference to. The whole of tests/integration takes an emulated machine half an hour: IN_GUEST=.
IN_GUEST ?= ^Test(CPULimit|Cgroup|Cpuset|DefaultDevices|DelegatedCgroup|Devices|DeleteWhile|Events|Exec(Cgroup|FullCgroup|InnerCgroup|Paused|States|AsUser|Process)|Hugepage|IDMapped(Binds|Container)|IOWeight|JoinedPID|JoinedUser|KillAll|Lifecycle|Limits|MemoryLimit|Pause|Pids|Ps|Rootless|Throttle|Tiny|Update|Without)

test-vm: tare ## run the cgroup and integration tests on a pure cgroup v2 guest in QEMU, the systemd driver's on one with systemd, those of checkpoint with CRIU, and those of labels with AppArmor and SELinux
	$(GO) build -o tests/vm/vm ./tests/vm
	./tests/vm/vm -guest small -bin ./tare -tests ./cgroups/...
	./tests/vm/vm -guest small -bin ./tare -timeout 60m -test-timeout 45m -tests ./tests/integration -run '$(IN_GUEST)'
	./tests/vm/vm -guest small -bin ./tare -timeout 40m -test-timeout 30m -tests ./tests/managers
	./tests/vm/vm -guest systemd -mem 3072 -bin ./tare -timeout 40m -test-timeout 25m \
	  -tests ./cgroups,./tests/integration,./tests/managers -run '^Test(Unit|Systemd|Rootless|EveryManager)'
	./tests/vm/vm -guest small -with criu,iptables,iproute2 -mem 2048 -timeout 15m -test-timeout 10m -bin ./tare \
	  -tests ./tests/integration,./tests/managers -run 'Checkpoint|Restore'
	./tests/vm/vm -guest small -with apparmor -bin ./tare -tests ./tests/integration -run '^Test(AppArmor|Labels)'
	./tests/vm/vm -guest small -with secilc -append 'lsm=selinux enforcing=1' -bin ./tare \
	  -tests ./tests/integration -run '^Test(SELinux|Labels)'

conformance: tare ## run runtime-tools' validation suite, beside runc, and compare with the known deviations
	$(GO) build -o tests/conformance/conformance ./tests/conformance
	./tests/conformance/conformance -runtime ./tare -peer runc
	./tests/conformance/conformance -runtime ./tare -peer runc -environment v2

CONFORMANCE_PEERS ?= runc,crun
conformance-vm: tare ## run the same in a pure cgroup v2 guest, beside runc and crun
	$(GO) build -o tests/vm/vm ./tests/vm
	CGO_ENABLED=0 $(GO) build -o tests/conformance/conformance ./tests/conformance
	dir=$$(mktemp -d) && trap 'rm -r "$$dir"' EXIT && ./tests/conformance/conformance -build "$$dir/suite" && \
	  ./tests/vm/vm -guest small -with runc,crun -mem 2048 -bin ./tare -add "$$dir/suite:/conformance" -timeout 90m -results "$$dir/results" -v -- \
	  /conformance/conformance -programs /conformance -deviations /conformance/deviations.txt -limit 5m -json /results/vm.json \
	  -runtime /usr/local/bin/tare -peer $(CONFORMANCE_PEERS)

client-deps: ## install the managers that test-clients drives, from Debian's packages; CRIO=crio builds CRI-O, too
	tests/clients/deps.sh $(CRIO)

CLIENT_PEERS ?= runc,crun
test-clients: tare ## drive containerd, CRI, CRI-O, Docker, Podman and Buildah with tare, runc and crun, as far as they are installed
	$(GO) build -o tests/clients/clients ./tests/clients
	./tests/clients/clients -runtime ./tare $(if $(CLIENT_PEERS),-peer $(CLIENT_PEERS)) $(if $(CLIENTS),-client '$(CLIENTS)')

# In the emulated guest everything takes ten times as long: what cgroup v2 and systemd make a difference to. CLIENT_FEATURES= is all there is.
CLIENT_FEATURES ?= run,exec,stop,pause,update,memory limit,pids limit,cpu limit,nothing left
CLIENTS_BUILT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tare-clients# deps.sh puts there what Debian does not have
CLIENT_MASKS := $(foreach unit,docker.service docker.socket containerd.service podman.service podman.socket,systemd.mask=$(unit))
test-clients-vm: tare ## drive the managers in a guest with systemd and cgroup v2, as root and as an ordinary user
	$(GO) build -o tests/vm/vm ./tests/vm
	CGO_ENABLED=0 $(GO) build -o tests/clients/clients ./tests/clients
	./tests/vm/vm -guest systemd -mem 4096 -with $$(grep -v '^#' tests/clients/packages.txt | paste -s -d,) -append '$(CLIENT_MASKS)' \
	  -bin ./tare -add tests/clients:/clients $$(crictl=$$(command -v crictl) && echo "-add $$crictl:/usr/local/bin/crictl") \
	  $(foreach dir,$(wildcard $(CLIENTS_BUILT)/*),-add $(dir):/root/.cache/tare-clients/$(notdir $(dir))) \
	  -timeout 80m -results clients-vm -v -- /clients/clients -slow 10 -deviations /clients/deviations.txt -runtime /usr/local/bin/tare \
	  $(if $(CLIENT_PEERS),-peer $(CLIENT_PEERS)) $(if $(CLIENTS),-client '$(CLIENTS)') $(if $(CLIENT_FEATURES),-feature '$(CLIENT_FEATURES)') \
	  -json /results/clients.json -log /results/log

test-all: test test-libseccomp conformance test-clients test-vm conformance-vm test-clients-vm ## everything there is, some hours: for a machine at night

bench: tare ## measure tare in pairs with the runc and crun on PATH; bench.json keeps the figures
	$(GO) run ./tests/bench -tare ./tare -json bench.json

FUZZTIME ?= 10s
fuzz: ## give each fuzz target FUZZTIME
	@CGO_ENABLED=0 FUZZTIME=$(FUZZTIME) tests/fuzz.sh

lint: ## gofumpt, vet, staticcheck, errorlint, the layers test, shellcheck
	@test -z "$$($(GO) tool gofumpt -l .)" || { $(GO) tool gofumpt -d .; exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(GO) tool staticcheck -tags $(TAGS) ./...
	$(GO) tool go-errorlint -tags $(TAGS) ./...
	$(GO) test ./internal/deptest
	shellcheck .ci/run $$(git ls-files '*.sh')

man: $(PAGES:.md=) ## build the man pages
man/%.8: man/%.8.md
	$(GO) tool go-md2man -in $< -out $@

.PHONY: completions install-docs uninstall deb

completions: ## make the shells' completions anew, from the commands and options that the program has
	$(GO) generate ./completions

# Where zsh looks for what packages bring differs: share/zsh/vendor-completions on Debian.
ZSHDIR  ?= share/zsh/site-functions
INSTALL := $(DESTDIR)$(PREFIX)
INDOC   := $(INSTALL)/share/doc/tare
DOCS    := LICENSE README.md CHANGELOG.md CONTRIBUTING.md packaging/copyright

install: tare man install-docs ## install the binary, man pages, completions, licences and docs below $(DESTDIR)$(PREFIX)
	install -D -m 0755 tare "$(INSTALL)/sbin/tare"
	install -d "$(INSTALL)/share/man/man8"
	install -m 0644 $(PAGES:.md=) "$(INSTALL)/share/man/man8/"
	install -D -m 0644 completions/tare.bash "$(INSTALL)/share/bash-completion/completions/tare"
	install -D -m 0644 completions/_tare "$(INSTALL)/$(ZSHDIR)/_tare"
	install -D -m 0644 completions/tare.fish "$(INSTALL)/share/fish/vendor_completions.d/tare.fish"

install-docs:
	install -d "$(INDOC)/docs/managers"
	install -m 0644 $(DOCS) "$(INDOC)/"
	install -m 0644 docs/*.md "$(INDOC)/docs/"
	install -m 0644 docs/managers/*.md "$(INDOC)/docs/managers/"

uninstall: ## remove what install installed
	rm -f "$(INSTALL)/sbin/tare" $(patsubst %,"$(INSTALL)/share/man/man8/%",$(notdir $(PAGES:.md=)))
	rm -f "$(INSTALL)/share/bash-completion/completions/tare" "$(INSTALL)/$(ZSHDIR)/_tare" "$(INSTALL)/share/fish/vendor_completions.d/tare.fish"
	rm -f $(patsubst %,"$(INDOC)/%",$(notdir $(DOCS)) $(wildcard docs/*.md docs/managers/*.md))
	@for dir in "$(INDOC)/docs/managers" "$(INDOC)/docs" "$(INDOC)"; do \
	  [ ! -d "$$dir" ] || rmdir --ignore-fail-on-non-empty "$$dir" || exit 1; \
	done

deb: tare man ## build a Debian package, tare_VERSION_ARCH.deb
	packaging/deb.sh $(VERSION) tare_$(VERSION)-1_$$(dpkg --print-architecture).deb

cross: ## build for every architecture
	@for arch in $(ARCHES); do \
	  echo "GOARCH=$$arch"; GOARCH=$$arch $(BUILD) -o /dev/null . || exit 1; \
	done

clean: ## remove what was built
	rm -f tare tare-libseccomp tests/vm/vm tests/conformance/conformance tests/clients/clients tests/report/report bench.json man/*.8
	rm -rf clients-vm
	rm -f tare_*.deb
