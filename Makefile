# SPDX-License-Identifier: MIT
# make          builds dist/reprieve            make test    runs what this machine can run
# make ok       the gate: all of it             make soak    more drawn rounds: ROUNDS=20000
# make fault    the fault matrix, into test/fault/RESULTS.md; make fault-v2: in qemu, into RESULTS-v2.md
# make bench    every figure                    make demo    one OOM      make format  make clean
# make dist     release files, into dist/release; make dist-check: they are the same built once more, and run
# make image    the container image for both, and its root tree, without a container engine
# make deb      Debian packages, into dist/release; make fresh: these, and what the README says, on a new Debian
# make docs     what dist/ says of the command line, the config file, the API and the feed, from their sources
# make test-vm  tests on Linux 6.1 in qemu      make vm      one command in there      make test-host  installed, with systemd
# Needs gcc, make, node and npm; everything else comes from the lockfile.

BUN := node_modules/.bin/bun
BIOME := node_modules/.bin/biome
B := dist/build
VERSION := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' package.json)

.PHONY: FORCE all deb deb-wants dist dist-check fresh image docs test soak fault fault-v2 model test-native test-unit test-vm test-host vm ok lint types format clean
.DELETE_ON_ERROR:
all: dist/reprieve

node_modules: package-lock.json
	npm ci --no-audit --no-fund
	touch $@

# --- native: freestanding C, no libc; dist/build/core is every role, core.so what the agent calls ---

WARN := -Wall -Wextra -Wconversion -Wshadow -Werror
CFLAGS := -std=c11 -O2 $(WARN) -DREPRIEVE_VERSION='"$(VERSION)"'
FREE := -ffreestanding -nostdlib -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fvisibility=hidden -ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,defs -Wl,-z,noseparate-code
SOURCES := $(filter-out native/layout.c native/explain.c native/ffi%.c native/history.c native/listen.c native/replay.c native/signals.c,$(wildcard native/*.c))
SHARED := $(wildcard native/ffi*.c) $(addprefix native/,caps.c explain.c freezer.c glob.c history.c ledger.c listen.c lock.c log.c memcg.c memcg_before.c memcg_parent.c memcg_raise.c memcg_v1.c memcg_v2.c memory.c rank.c record.c replay.c signals.c text.c tree.c weigh.c)
HEADERS := $(wildcard native/*.h)

$(B):
	mkdir -p $@

$(B)/core: $(SOURCES) native/start_x86_64.S $(HEADERS) Makefile | $(B)
	gcc $(CFLAGS) $(FREE) -static -no-pie -fno-pie -o $@ $(SOURCES) native/start_x86_64.S

$(B)/core.so: $(SHARED) $(HEADERS) Makefile | $(B)
	gcc $(CFLAGS) $(FREE) -shared -fPIC -o $@ $(SHARED)

# The same for arm64, from here. Without a libc there is nothing that would choose atomics by the CPU: those that all have.
ARM_GCC := aarch64-linux-gnu-gcc
ARM_CFLAGS := $(CFLAGS) -mno-outline-atomics

$(B)/arm64:
	mkdir -p $@

$(B)/arm64/core: $(SOURCES) native/start_aarch64.S $(HEADERS) Makefile | $(B)/arm64
	$(ARM_GCC) $(ARM_CFLAGS) $(FREE) -static -no-pie -fno-pie -o $@ $(SOURCES) native/start_aarch64.S

$(B)/arm64/core.so: $(SHARED) $(HEADERS) Makefile | $(B)/arm64
	$(ARM_GCC) $(ARM_CFLAGS) $(FREE) -shared -fPIC -o $@ $(SHARED)

LAYOUT := native/layout.c native/explain.h native/history.h native/probe.h native/record.h native/replay.h native/region.h native/standing.h native/steps.h native/system.h native/caps.h native/designate.h native/limits.h native/rank.h native/weigh.h

$(B)/layout: $(LAYOUT) | $(B)
	gcc -std=c11 $(WARN) -o $@ native/layout.c

src/native/layout.ts: $(B)/layout
	$(B)/layout > $@

# --- the binary: never strip it (that drops the program); it ignores .env and bunfig files of the cwd ---

PAGE := $(wildcard src/page/* src/page/style/*)
TS := $(wildcard dist/systemd/* dist/man/*) $(shell find src -name '*.ts' ! -path 'src/page/*' ! -path 'src/release/*' ! -name layout.ts) src/native/layout.ts
# What `reprieve version` says. The date is the commit's, so that two builds are the same.
COMMIT := $(or $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null),unknown)
EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),0)
DATE := $(shell date -u -d @$(EPOCH) +%FT%TZ)
IDENTITY = {"commit":"$(COMMIT)","date":"$(DATE)","target":"linux-$(1)"}
# Bytecode, all of it: of 2.0 MB that are ours in a release file 1.7, and the start 1.3 to 1.7 times slower without a part of it (dist/docs/figures.md).
# In one piece all that any part imports of node is loaded first, node:crypto for 2 ms (measured): so split.
COMPILE := --compile --splitting --minify --bytecode --format=esm --compile-exec-argv=--smol \
	--no-compile-autoload-dotenv --no-compile-autoload-bunfig

# The page: one file, without anything from elsewhere.
$(B)/page.html: $(PAGE) $(TS) package.json Makefile | node_modules $(B)
	$(BUN) build --compile --target=browser --minify src/page/index.html --outfile $@

dist/reprieve: $(TS) $(B)/core $(B)/core.so $(B)/page.html dist/asyncapi.json dist/openapi.json package.json Makefile $(B)/identity | node_modules
	$(BUN) build $(COMPILE) --define 'BUILD=$(call IDENTITY,x64)' src/main.ts --outfile $(B)/reprieve
	mv $(B)/reprieve $@

# Written anew where it is another.
$(B)/identity: FORCE | $(B)
	@echo '$(call IDENTITY)' | cmp -s - $@ || echo '$(call IDENTITY)' >$@

# What dist/ says of the command line, the config file, the API and the feed, and the dashboard; test/unit/man, config-docs, http-docs and dashboard.test.ts tell when it is stale.
docs: src/native/layout.ts | node_modules
	$(BUN) src/cli/reference.ts
	$(BUN) src/config/reference.ts
	$(BUN) src/http/reference.ts
	$(BUN) src/http/dashboard.ts

# --- tests and the gate ---

# The pure parts of the core, with sanitizers and the machine's libc; one behaviour a program.
PURE := $(addprefix native/,verdict.c orders.c rank.c record.c history.c replay.c explain.c proc_events.c procfs.c procfs_group.c pids.c table.c log.c ledger.c lock.c text.c tree.c caps.c rest.c glob.c weigh.c system_judge.c)
CASES := $(patsubst %.c,$(B)/%,$(wildcard test/native/*.c))
# The same for arm64, as it ships and without sanitizers, to be run by qemu; nothing where there is no compiler for it.
ARM_PURE := $(patsubst native/%.c,$(B)/arm64/pure/%.o,$(PURE))
ARM_CASES := $(patsubst %.c,$(B)/arm64/%,$(wildcard test/native/*.c))
ARM := $(if $(shell command -v $(ARM_GCC)),$(addprefix $(B)/arm64/,core core.so layout) $(ARM_CASES))

# Three at once, for most of a test is waiting. What takes its time from a real OOM. What takes none, behind that. And with what these
# leave of the CPUs, for of the boots the clock counts instructions, another kernel and the model. The rounds and the faults come when only
# those are left: a victim that gets no CPU for 50 ms is given up. The last line counts what really ran. The fault matrix at three stages a row, the next row at others; make fault plays all.
TOLD := $(patsubst %,./test/kernel/%.test.ts,api export feed fleet incidents journal journal-killed journal-stuck listen prometheus recovered \
	status watch websocket)
ALONE := ./test/kernel/rounds.test.ts test/fault
TIMED := test/attack $(filter-out $(TOLD) $(ALONE),$(wildcard ./test/kernel/*.test.ts))
UNTIMED := $(TOLD) $(addprefix test/,native unit browser docs)
JUNIT := $(addprefix $(B)/,timed.xml alone.xml untimed.xml vm/junit.xml)
# Of each test, where it says nothing else: a hang is a failure, a slow machine is none.
HANG_MS := 30000
run_tests = $(BUN) test --timeout $(HANG_MS) $(1) --reporter=junit --reporter-outfile=$(2)
test: export FAULT_STAGES ?= 3
test: dist/reprieve $(CASES) $(ARM)
	@rm -f $(JUNIT)
	@chrt -i 0 $(call run_tests,./test/vm/vm.ts test/model,$(B)/vm/junit.xml) >$(B)/vm.log 2>&1 & boots=$$!; \
		nice $(call run_tests,$(UNTIMED),$(B)/untimed.xml) >$(B)/untimed.log 2>&1 & untimed=$$!; \
		$(call run_tests,$(TIMED),$(B)/timed.xml); code=$$?; \
		wait $$untimed; code=$$((code + $$?)); cat $(B)/untimed.log; \
		$(call run_tests,$(ALONE),$(B)/alone.xml); code=$$((code + $$?)); \
		wait $$boots; code=$$((code + $$?)); cat $(B)/vm.log; \
		$(BUN) test/summary.ts $$code $(JUNIT)

$(CASES): $(B)/test/native/%: test/native/%.c native/memory.c $(PURE) $(HEADERS) $(wildcard test/native/*.h) Makefile
	mkdir -p $(@D)
	gcc $(CFLAGS) -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $< $(PURE)

$(ARM_PURE): $(B)/arm64/pure/%.o: native/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(ARM_GCC) $(ARM_CFLAGS) -c -o $@ $<

$(ARM_CASES): $(B)/arm64/test/native/%: test/native/%.c native/memory.c $(ARM_PURE) $(wildcard test/native/*.h)
	@mkdir -p $(@D)
	$(ARM_GCC) $(ARM_CFLAGS) -static -o $@ $< $(ARM_PURE)

$(B)/arm64/layout: $(LAYOUT) | $(B)/arm64
	$(ARM_GCC) -std=c11 $(WARN) -static -o $@ native/layout.c

# More of the rounds drawn from a seed, without and with faults: make soak ROUNDS=20000 SEED=1
soak: export ROUNDS ?= 5000
soak: dist/reprieve
	$(BUN) test ./test/kernel/rounds.test.ts ./test/fault/soak.test.ts

# More rounds a cell: make fault FAULT_ROUNDS=20
fault: export FAULT_ROUNDS ?= 3
fault: export FAULT_RESULTS := test/fault/RESULTS.md
fault: dist/reprieve
	$(BUN) test ./test/fault/matrix.test.ts

# The same on cgroup v2, in a VM: it takes most of an hour.
fault-v2: export FAULT_ROUNDS ?= 1
fault-v2: export BOUND_S := 7200
fault-v2: export RUN = export FAULT_ROUNDS=$(FAULT_ROUNDS) FAULT_RESULTS=/tmp/results.md; \
	bun test ./test/fault/matrix.test.ts >/dev/console 2>&1; code=$$?; cat /tmp/results.md; exit $$code
fault-v2: dist/reprieve
	$(BUN) test/vm/run.ts v2 >test/fault/RESULTS-v2.md

# The searches of the model alone, with their table.
model: | node_modules
	$(BUN) test test/model

test-native: dist/reprieve $(CASES) $(ARM)
	$(BUN) test test/native

test-unit: dist/reprieve $(ARM)
	$(BUN) test --timeout $(HANG_MS) test/unit

# Boots of another kernel (test/vm/README.md), each with its tests.
test-vm: dist/reprieve $(CASES)
	@rm -f $(B)/vm/junit.xml
	$(BUN) test ./test/vm/vm.ts --reporter=junit --reporter-outfile=$(B)/vm/junit.xml; \
		$(BUN) test/summary.ts $$? $(B)/vm/junit.xml

# An installed reprieve, all that may happen to it, and a reboot.
test-host: export VM_HOST := 1
test-host: test-vm

# One command in a VM (v1, v2, hybrid or systemd): make vm BOOT=v2 RUN='bun test ./test/kernel/run.test.ts'
vm: export RUN ?= uname -a
vm: dist/reprieve $(CASES)
	@$(BUN) test/vm/run.ts $(or $(BOOT),v2)

C_FILES := $(wildcard native/*.[ch] native/*/*.[ch] test/*/*.[ch])

types: src/native/layout.ts $(B)/core $(B)/core.so $(B)/page.html | node_modules
	$(BUN) check --no-script
	$(BUN) check --no-script --project src/page

# CI and most machines have no clang-format: it is no reason to fail there.
lint: types
	$(BIOME) check --error-on-warnings
	@if command -v clang-format >/dev/null; then clang-format --dry-run -Werror $(C_FILES); \
		else echo "NOT RUN: the C format: clang-format is not installed"; fi

format: | node_modules
	$(BIOME) check --write
	clang-format -i $(C_FILES)

ok: all lint test

clean:
	rm -rf $(B) dist/reprieve src/native/layout.ts

include src/release/release.mk
include src/release/deb.mk
include test/bench/bench.mk
