# make bench    every figure, 30 interleaved pairs each: about 20 minutes on 2 CPUs, root
# make demo     one real OOM beside the kernel's killer: 6 seconds, root
# make screenshot  the picture of the page in dist/docs, of a real OOM: 40 seconds, root, chromium
# make bench-v2 those of cgroup v2, each in a boot of the VM: 5 minutes on an idle machine
# PAIRS=5 make bench-stall runs one figure; JSON=1 prints one line a figure instead of a table.

BENCH_FIGURES := stall death kernel-first thousand sampler memory quiet idle many discovery verdict agent feed feed-latency feed-memory tracing page sidecar
BENCH_C := $(patsubst test/bench/programs/%.c,$(B)/bench/%,$(wildcard test/bench/programs/*.c))

# A boot each. The bound of one is for a VM that hangs: a busy machine takes several times as long as an idle one.
BENCH_V2 := stall:PAIRS=15 oomd:PAIRS=4 thousand:SAMPLES=20,PROCS=1000
BENCH_V2_BOUND_S := 3600

.PHONY: bench bench-v2 demo screenshot $(BENCH_FIGURES:%=bench-%)

$(B)/bench:
	mkdir -p $@

$(B)/bench/%: test/bench/programs/%.c $(wildcard test/bench/programs/*.h) | $(B)/bench
	gcc -std=c11 -O2 $(WARN) -pthread -o $@ $<

$(B)/bench/bare: test/bench/bare.ts Makefile | node_modules $(B)/bench
	$(BUN) build $(COMPILE) $< --outfile $@

$(B)/bench/flooded: test/bench/flooded.ts $(TS) $(B)/page.html | node_modules $(B)/bench
	$(BUN) build $(COMPILE) $< --outfile $@

# One after the other, also under make -j: they would measure each other.
bench: dist/reprieve $(BENCH_C) $(B)/bench/bare $(B)/bench/flooded
	@for figure in $(BENCH_FIGURES); do $(BUN) test/bench/$$figure.ts || exit; done

$(BENCH_FIGURES:%=bench-%): bench-%: dist/reprieve $(BENCH_C) $(B)/bench/bare $(B)/bench/flooded
	@$(BUN) test/bench/$*.ts

bench-v2: dist/reprieve $(BENCH_C)
	@for figure in $(BENCH_V2); do \
		RUN="$$(echo $${figure#*:} | tr , ' ') JSON=$(JSON) bun test/bench/$${figure%:*}.ts" \
		BOUND_S=$(BENCH_V2_BOUND_S) $(BUN) test/vm/run.ts v2 || exit; done

# A fleet in a real Prometheus: 25 minutes and 6 GB, so not in `bench`.
bench-fleet: dist/reprieve
	@$(BUN) test/bench/fleet.ts

demo: dist/reprieve $(BENCH_C)
	@$(BUN) test/demo/demo.ts

screenshot: dist/reprieve
	@$(BUN) test/demo/screenshot.ts
