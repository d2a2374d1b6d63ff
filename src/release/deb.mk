# SPDX-License-Identifier: MIT
# Debian packages of the release binaries, by debhelper: dist/debian is put beside what it names. The same commit and tools give the same bytes.

DEBS := $(foreach arch,amd64 arm64,$(R)/reprieve_$(VERSION)_$(arch).deb)
PACKAGED := $(shell git ls-files "*.md" dist 2>/dev/null)
# What it takes beside gcc, make, node and npm, in Debian's packages.
DEB_WANTS := debhelper gcc-aarch64-linux-gnu libc6-dev-arm64-cross

deb: deb-wants $(DEBS)
$(DEBS): | deb-wants

deb-wants:
	@! dpkg-query --show --showformat '$${db:Status-Status}\n' $(DEB_WANTS) 2>&1 | grep -qvx installed || { echo "make deb wants Debian's packages $(DEB_WANTS)" >&2; exit 1; }

$(R)/reprieve_$(VERSION)_amd64.deb: TARGET := x64
$(R)/reprieve_$(VERSION)_arm64.deb: TARGET := arm64
$(R)/reprieve_$(VERSION)_amd64.deb: $(B)/release/x64/reprieve
$(R)/reprieve_$(VERSION)_arm64.deb: $(B)/release/arm64/reprieve

# dpkg takes version and date from a changelog of its own.
$(DEBS): $(R)/reprieve_$(VERSION)_%.deb: src/release/parts.ts src/release/lock.ts src/release/linked.ts dist/reprieve $(PACKAGED)
	rm -rf $(B)/deb/$* && mkdir -p $(R) $(B)/deb/$*/tree/pages
	cp -r dist/debian $(B)/release/$(TARGET)/reprieve dist/systemd dist/man $(B)/deb/$*/tree
	cp -r --parents $$($(BUN) src/release/linked.ts README.md dist/kubernetes) $(B)/deb/$*/tree/pages
	$(BUN) src/release/parts.ts $(TARGET) $(EPOCH) $(B)/deb/$*/tree/pages
	for shell in bash zsh fish; do dist/reprieve completion $$shell >$(B)/deb/$*/tree/$$shell || exit; done
	printf 'reprieve (%s) stable; urgency=medium\n\n  * CHANGELOG.md beside this file.\n\n -- %s  %s\n' $(VERSION) \
		"$$(sed -n 's/^Maintainer: //p' dist/debian/control)" "$$(date -uRd @$(EPOCH))" >$(B)/deb/$*/tree/debian/changelog
	cd $(B)/deb/$*/tree && dpkg-buildpackage --build=binary --host-arch=$* --no-check-builddeps --no-pre-clean --no-sign
	mv $(B)/deb/$*/reprieve_$(VERSION)_$*.deb $@

# A new Debian. Beside its required packages: systemd for the VM, and what a minimal root lacks of an installed host.
DEBIAN := $(B)/fresh/debian

$(DEBIAN):
	rm -rf $@.half && mkdir -p $(@D)
	mmdebstrap --quiet --variant=minbase --include=systemd-sysv,dbus,ca-certificates,xz-utils bookworm $@.half
	mv $@.half $@

# The package, and all that the README says, there.
fresh: deb $(R)/$(NAME)-x64.tar.xz $(DEBIAN)
	$(BUN) test --timeout 3600000 ./test/fresh
