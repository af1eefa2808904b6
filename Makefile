# SPDX-License-Identifier: Apache-2.0
#
# make            build/assay            make demo   measure this machine for 15 s
# make check      build, run all tests   make bench  our cost beside the peers'
# make deps       install what is missing (the one place that names packages)
# make fuzz       FUZZ_SECONDS each      make fmt | lint | clean       V=1 shows all
# make install    PREFIX, DESTDIR, UNITDIR, SYSCONFDIR
# make deb        a Debian package, in build/deb

BUILD   ?= build
PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
CC      ?= cc
CLANG   ?= clang
VERSION := 0.1.0
comma   := ,
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# FOR=arm64 builds for that architecture of Debian, with its libraries beside this one's
# (`make deps-build FOR=arm64` installs both).
HERE     := $(shell dpkg --print-architecture 2>/dev/null)
FOR      ?= $(HERE)
TRIPLE_amd64 := x86_64-linux-gnu
TRIPLE_arm64 := aarch64-linux-gnu
ifneq ($(FOR),$(HERE))
CC       := $(TRIPLE_$(FOR))-gcc
endif

# Of the machine that CC builds for, whose headers are below SYSROOT (tests/arm64/run).
MULTI    := $(shell $(CC) -print-multiarch 2>/dev/null)
ARCH     := $(subst x86_64,x86,$(subst aarch64,arm64,$(firstword $(subst -, ,$(MULTI)) $(shell uname -m))))
SYSROOT  :=
LIBS     := -lbpf -lcurl -lssl -lcrypto -lprotobuf-c -ljansson -lseccomp -lsqlite3 -lelf -lzstd -lz -lm
CFLAGS   ?= -O2 -g
BASE     := -std=gnu11 -D_GNU_SOURCE -DASSAY_VERSION='"$(VERSION)"' -I. -Iagent -I$(BUILD) \
	-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -fno-common -MMD -MP \
	-Werror=incompatible-pointer-types
# The same objects in each directory: line numbers, assertions and the linker's build id
# name files.
SAME     := -ffile-prefix-map=$(abspath $(BUILD))=build -ffile-prefix-map=$(CURDIR)=.
ALL_CFLAGS = $(BASE) $(SAME) $(CFLAGS)
BPF_CFLAGS := -O2 -g -Wall -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) \
	-iquote bpf -I$(BUILD) -I$(SYSROOT)/usr/include/$(MULTI) -MMD -MP $(SAME)

PROBES  := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
# Those that use what not all kernels have: a second time, without (bpf/kernel.bpf.h).
PLAIN   := sched syscall tcp dns
OBJECTS := $(PROBES:%=$(BUILD)/%.bpf.o) $(PLAIN:%=$(BUILD)/%.plain.bpf.o)
PROTOS  := $(patsubst proto/%.proto,%,$(wildcard proto/*.proto))
PB_OBJ  := $(PROTOS:%=$(BUILD)/proto/%.pb-c.o)
SRC     := $(wildcard agent/*.c agent/*/*.c)
OBJ     := $(SRC:agent/%.c=$(BUILD)/agent/%.o) $(BUILD)/agent/kernel/objects.o $(PB_OBJ)
LIB_OBJ := $(filter-out $(BUILD)/agent/main.o,$(OBJ))

# A C file below tests/ with a main() is a program; unit tests link with the agent.
UNIT    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
LOAD_SRC := $(filter-out %.bpf.c,$(wildcard tests/kernel/*.c tests/vm/*.c tests/e2e/*.c tests/demo/*.c \
	tests/incidents/*.c))
LOADS   := $(foreach f,$(LOAD_SRC),$(BUILD)/tests/$(basename $(notdir $(f)))) \
	$(patsubst tests/kernel/%.c,$(BUILD)/tests/%.o,$(wildcard tests/kernel/*.bpf.c))

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all deps deps-build deps-arm64 deps-image compiler demo check check-installed bench install fmt lint clean unit loads \
	fuzz fuzzers build-fuzz build-san
all: $(BUILD)/assay
unit: $(UNIT)
loads: $(LOADS)
fuzzers: $(FUZZERS)

$(BUILD)/assay: $(OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/agent/%.o: agent/%.c Makefile | $(PROTOS:%=$(BUILD)/proto/%.pb-c.h) $(BUILD)/syscall_table.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c $< -o $@

# The compiled probes are part of the binary: see agent/kernel/probes.c.
$(BUILD)/agent/kernel/objects.o: agent/kernel/objects.S agent/kernel/objects.h $(OBJECTS)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(SAME) -iquote agent -Wa$(comma)-I$(BUILD) -c $< -o $@

# clang 14 can take all memory on some BPF code: hence the limit.
$(BUILD)/%.bpf.o: bpf/%.bpf.c Makefile | $(BUILD)/syscall_table.h
	$(call say,BPF,$<)
	$(Q)ulimit -v 4000000; $(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip -g $@

$(BUILD)/%.plain.bpf.o: bpf/%.bpf.c Makefile | $(BUILD)/syscall_table.h
	$(call say,BPF,"$< (plain)")
	$(Q)ulimit -v 4000000; $(CLANG) $(BPF_CFLAGS) -DPLAIN -c $< -o $@
	$(Q)llvm-strip -g $@

$(BUILD)/syscall_table.h: bpf/syscalls.tbl bpf/syscalls_arm.tbl bpf/syscalls.sh
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && sh bpf/syscalls.sh "$(CC)" $< > $@

$(BUILD)/proto/%.pb-c.c $(BUILD)/proto/%.pb-c.h: proto/%.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D) && protoc-c --c_out=$(BUILD)/proto -Iproto $<

$(BUILD)/proto/%.o: $(BUILD)/proto/%.c
	$(call say,CC,$<)
	$(Q)$(CC) $(SAME) $(CFLAGS) -w -I$(BUILD)/proto -c $< -o $@

$(BUILD)/unit/%: tests/unit/%.c $(LIB_OBJ)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -o $@ $< $(LIB_OBJ) $(LIBS) -lcmocka

# Built by `make fuzz`, with clang and its sanitizers in every object.
$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c $(LIB_OBJ)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $< $(LIB_OBJ) $(LIBS)

# Programs that make load: their libraries stand in a line "// libs: -lX".
define load_rule
$(BUILD)/tests/$(basename $(notdir $(1))): $(1) Makefile
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(BASE) -O2 -g -o $$@ $$< $$$$(sed -n 's,^// libs: ,,p' $$<)
endef
$(foreach f,$(LOAD_SRC),$(eval $(call load_rule,$(f))))

# Programs in the kernel that tell a test the truth.
$(BUILD)/tests/%.bpf.o: tests/kernel/%.bpf.c Makefile
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D); ulimit -v 4000000; $(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip -g $@

# --- people's targets ---

# Every package, in one place. The second list is for the tests, loads and peers.
DEB_BUILD := clang llvm libbpf-dev libelf-dev zlib1g-dev libprotobuf-c-dev \
	protobuf-c-compiler protobuf-compiler libcurl4-openssl-dev libjansson-dev \
	libcmocka-dev libseccomp-dev libsqlite3-dev libssl-dev libzstd-dev linux-libc-dev
DEB_TEST := python3-minimal python3-jsonschema python3-yaml python3-protobuf libprotobuf-dev bpftool \
	iproute2 util-linux procps nginx-light wrk openssl jq linux-perf stress-ng iperf3 \
	libbpf-tools bpftrace clang-format clang-tidy cppcheck pyflakes3 libclang-rt-14-dev \
	busybox-static fio mount nftables qemu-system-common zstd xz-utils cpio e2fsprogs binutils \
	mandoc libcap2-bin systemd redis-server redis-tools wireguard-tools containerd runc podman \
	python3-grpcio python3-zstandard debhelper lintian \
	golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev
DEB_ALL := $(DEB_BUILD) $(DEB_TEST)
# To build for another architecture: what runs here, the compiler, and libraries of that one.
DEB_RUN := clang llvm protobuf-c-compiler protobuf-compiler
DEB_FOR := $(DEB_RUN) gcc-$(subst _,-,$(TRIPLE_$(FOR))) libc6-dev:$(FOR) \
	$(addsuffix :$(FOR),$(filter-out $(DEB_RUN) libcmocka-dev,$(DEB_BUILD)))

deps:
	$(Q)sh tests/deps $(DEB_ALL)

# What building needs alone: for the image.
deps-build:
ifeq ($(FOR),$(HERE))
	$(Q)sh tests/deps $(DEB_BUILD)
else
	$(Q)dpkg --add-architecture $(FOR) && sh tests/deps $(DEB_FOR)
endif

# Which one is called, for scripts.
compiler:
	@echo '$(CC)'

# What tests/arm64/run needs.
deps-arm64:
	$(Q)sh tests/deps gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf \
		libc6-dev-armhf-cross qemu-system-arm ipxe-qemu e2fsprogs kmod

# Long ones first: short ones fill what is left of the time.
SUITES = tests/kernel/test_names_cost.py $(sort $(wildcard tests/e2e/test_*.py)) $(sort $(wildcard tests/deploy/test_*)) \
	$(sort $(wildcard tests/cli/test_*)) $(sort $(filter-out %/test_names_cost.py,$(wildcard tests/kernel/test_*.py))) \
	$(sort $(wildcard tests/harness/test_*)) $(UNIT)

# What tests/deploy/image_twice needs.
deps-image:
	$(Q)sh tests/deps buildah mmdebstrap qemu-user-static libcap2-bin

check: deps
	$(Q)$(MAKE) --no-print-directory check-installed

# The same without looking for packages first.
check-installed: all unit loads
	$(Q)tests/run $(SUITES) $(MORE)

demo: deps
	$(Q)$(MAKE) --no-print-directory all loads
	$(Q)tests/demo/demo

SAN_FLAGS := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=address,undefined
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow

fuzz: build-fuzz
	$(Q)tests/fuzz/run

build-fuzz:
	$(Q)$(MAKE) --no-print-directory BUILD=$@ CC=$(CLANG) CFLAGS="$(FUZZ_FLAGS)" fuzzers

# The agent with sanitizers: tests/san runs the live suites with it.
build-san:
	$(Q)$(MAKE) --no-print-directory BUILD=$@ CFLAGS="$(SAN_FLAGS)" \
		LDFLAGS="-fsanitize=address,undefined" all unit

bench: all loads
	$(Q)tests/bench/bench

docs/metrics.md: $(BUILD)/unit/print_metrics
	$(Q)$< > $@

install: all
	install -D -m 755 $(BUILD)/assay $(DESTDIR)$(PREFIX)/bin/assay
	install -D -m 644 docs/assay.1 $(DESTDIR)$(PREFIX)/share/man/man1/assay.1
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/default
	sed 's,@BINDIR@,$(PREFIX)/bin,' deploy/systemd/assay.service.in \
		> $(DESTDIR)$(UNITDIR)/assay.service
	chmod 644 $(DESTDIR)$(UNITDIR)/assay.service
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/assay ] || install -m 644 \
		deploy/systemd/assay.default $(DESTDIR)$(SYSCONFDIR)/default/assay

# With the compiler's flags for packages, so of objects of its own.
.PHONY: deb
deb:
	$(Q)deploy/debian/build

C_FILES = $(wildcard agent/*.[ch] agent/*/*.[ch] bpf/*.[ch] tests/*/*.[ch])

fmt:
	$(Q)clang-format -i $(C_FILES)

PY_FILES = $(wildcard tests/*.py tests/*/*.py tests/*/*/*.py) tests/vm/matrix \
	tests/bench/bench tests/deploy/render tests/deploy/image_twice

# No difference to the format, no warning.
lint:
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)cppcheck -j "$$(nproc)" --quiet --error-exitcode=1 --inline-suppr --std=c11 -D_GNU_SOURCE \
		-DASSAY_VERSION='"0"' '-DLIBBPF_OPTS(t,n,...)=struct t n={__VA_ARGS__}' \
		--enable=warning,portability,performance --suppress=missingInclude \
		--suppress=comparePointers --suppress=preprocessorErrorDirective \
		-I. -Iagent -I$(BUILD) agent
	$(Q)pyflakes3 $(PY_FILES)

clean:
	rm -rf $(BUILD)

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
