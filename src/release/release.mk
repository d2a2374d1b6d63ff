# SPDX-License-Identifier: MIT
# Release files, for each target. The same sources, commit and tools give the same bytes: `make dist-check`.

TARGETS := x64 x64-musl arm64 arm64-musl
R := dist/release
# Where they are in this repository, so that their links lead somewhere.
PAGES := README.md LICENSE dist/man dist/kubernetes
NAME := reprieve-$(VERSION)-linux

dist: $(R)/SHA256SUMS

dist-check: dist image deb dist/reprieve
	$(BUN) test --timeout 3600000 ./test/release

# Bun for a target, with the bytes that package-lock.json names.
$(B)/release/bun-%: src/release/runtime.ts src/release/lock.ts package-lock.json | node_modules
	@mkdir -p $(@D)
	$(BUN) $< $* $@

.SECONDARY:
$(B)/release/%/reprieve: dist/reprieve $(B)/arm64/core $(B)/arm64/core.so $(B)/release/bun-%
	@mkdir -p $(@D)
	$(BUN) build $(COMPILE) --define 'BUILD=$(call IDENTITY,$*)' --conditions=$(firstword $(subst -, ,$*)) --target=bun-linux-$* \
		--compile-executable-path=$(B)/release/bun-$* src/main.ts --outfile $@

# xz: every tar opens it, busybox's too, and gzip would need 54 MB. With -T2 its bytes do not depend on how many CPUs there are.
$(R)/$(NAME)-%.tar.xz: $(B)/release/%/reprieve src/release/parts.ts src/release/lock.ts src/release/linked.ts LICENSE $(shell git ls-files "*.md" dist 2>/dev/null)
	rm -rf $(<D)/$(NAME)-$* && mkdir -p $(R) $(<D)/$(NAME)-$*
	$(BUN) src/release/parts.ts $* $(EPOCH) $(<D)/$(NAME)-$*
	install -m 755 $< $(<D)/$(NAME)-$*
	cp -r --parents $$($(BUN) src/release/linked.ts $(PAGES)) $(<D)/$(NAME)-$*
	tar -C $(<D) --sort=name --format=gnu --mtime=@$(EPOCH) --mode=go=u-w --owner=0 --group=0 --numeric-owner -c $(NAME)-$* | xz -6 -T2 >$@
	cp $(<D)/$(NAME)-$*/sbom.cdx.json $(R)/$(NAME)-$*.cdx.json

$(R)/SHA256SUMS: $(TARGETS:%=$(R)/$(NAME)-%.tar.xz)
	cd $(R) && sha256sum $(TARGETS:%=$(NAME)-%.tar.xz) $(TARGETS:%=$(NAME)-%.cdx.json) >SHA256SUMS

# The image: its root tree, for dist/container/Containerfile, and an OCI layout in one tar, for `podman load`. Wants umoci.
IMAGES := x64 arm64

image: $(R)/SHA256SUMS-image

$(R)/SHA256SUMS-image: $(IMAGES:%=$(R)/reprieve-$(VERSION)-image-%.tar)
	cd $(R) && sha256sum $(IMAGES:%=reprieve-$(VERSION)-image-%.tar) $(IMAGES:%=reprieve-$(VERSION)-root-%.tar.xz) >$(@F)

$(R)/reprieve-$(VERSION)-image-%.tar: $(R)/$(NAME)-%.tar.xz src/release/image.ts src/release/tree.ts
	XZ_DEFAULTS='-6 -T2' $(BUN) src/release/image.ts $* $(EPOCH) $(B)/release/$*/$(NAME)-$* $(B)/image/$* $(R)/reprieve-$(VERSION)-root-$*.tar.xz $@
