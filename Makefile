# SPDX-License-Identifier: GPL-2.0-only
# dm-ordered: `make help` lists what there is.

# Modules are built for KDIR: the running kernel's build directory, else that of the newest headers here.
RUNNING := $(shell uname -r)
running := /lib/modules/$(RUNNING)/build
KDIR ?= $(if $(wildcard $(running)/Makefile),$(running),$(lastword $(shell ls -d /lib/modules/*/build 2>/dev/null | sort -V)))
DESTDIR ?=
PREFIX ?= /usr
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)

release = $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
moddir = $(DESTDIR)/lib/modules/$(release)/updates
sbindir = $(DESTDIR)$(PREFIX)/sbin
mandir = $(DESTDIR)$(PREFIX)/share/man
compdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
dkmsdir = $(DESTDIR)/usr/src/dm-ordered-$(VERSION)

.DEFAULT_GOAL := all
.PHONY: all module module-all module-debug tool install install-module install-tool install-dkms uninstall \
	check check-unit check-kunit check-vm check-static check-fuzz check-sim check-images check-bench check-mutants check-long bench bench-quick bench-compare demo \
	setup clean help

help:
	@echo 'make                 the module for KDIR ($(KDIR)) and orderedctl'
	@echo 'make module-all      the module for both stock kernels, 6.1 and 6.12, in build/<release>/'
	@echo 'make module-debug    the module for the debug kernel, which is built first (8 minutes, once)'
	@echo 'make install         module, tool, man page, completion; DESTDIR, PREFIX, KDIR; also: install-dkms'
	@echo 'make uninstall       remove them'
	@echo 'make setup           install what building and testing need (Debian 12, root)'
	@echo 'make check           all tests: check-static check-unit check-kunit check-fuzz check-sim'
	@echo '                     check-images check-vm check-bench (the quick benches run);'
	@echo '                     T=NAME selects, KERNEL=6.1|6.12|debug, SEED=N, SLOTS=N CPUs of machines at a time'
	@echo 'make check-mutants   the product broken on purpose, one thing at a time: is it noticed? (T=NAME)'
	@echo 'make check-long      all of these with larger numbers'
	@echo 'make bench           measure, and draw plots: Documentation/performance.md (T=NAME selects, LONG=0: small numbers)'
	@echo 'make bench-quick     some of it with small numbers, some minutes'
	@echo 'make bench-compare   OLD=FILE NEW=FILE: what changed by more than 1 % between two results (JSON)'
	@echo 'make demo            a database on two emulated sites, one of which loses its power'
	@echo 'make clean           remove what was built (the kernels in the cache stay)'

all: module tool

module:
	@test -n "$(KDIR)" || { echo 'no kernel headers are installed: apt-get install linux-headers-amd64'; exit 1; }
	scripts/build-module.sh $(abspath $(KDIR))

module-all:
	scripts/build-module.sh 6.1
	scripts/build-module.sh 6.12
	MODULE=powercut scripts/build-module.sh 6.1
	MODULE=powercut scripts/build-module.sh 6.12

module-debug:
	scripts/build-module.sh debug
	MODULE=powercut scripts/build-module.sh debug
	MODULE=kunit scripts/build-module.sh debug

tool:
	$(MAKE) -C userspace

install: install-tool install-module

install-module: module
	install -D -m 644 build/$(release)/dm-ordered.ko $(moddir)/dm-ordered.ko
	$(if $(DESTDIR),,depmod $(release))
	@$(if $(filter-out $(RUNNING),$(release)),$(other_kernel),:)

# The last of what make install says.
define other_kernel
printf '%s\n' '' \
	'NOTE: the module is installed for the kernel $(release), and that one does not run here.' \
	'      The kernel that runs, $(RUNNING), does not find it: modprobe dm-ordered fails until $(release) is booted.' \
	'      For the kernel that runs: install its headers (apt-get install linux-headers-$(RUNNING)) and repeat' \
	'      make install, or name its build directory: make install KDIR=DIR' >&2
endef

install-tool: tool
	install -D -m 755 build/userspace/orderedctl $(sbindir)/orderedctl
	install -D -m 644 build/userspace/orderedctl.8 $(mandir)/man8/orderedctl.8
	install -D -m 644 userspace/completion/orderedctl $(compdir)/orderedctl

# The sources where `dkms add dm-ordered/$(VERSION)` looks for them.
install-dkms:
	install -D -m 644 Kbuild $(dkmsdir)/Kbuild
	cd dm-ordered && find . -type f \( -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild \) \
		-exec install -D -m 644 {} $(abspath $(dkmsdir))/dm-ordered/{} \;
	install -D -m 644 dkms.conf $(dkmsdir)/dkms.conf

uninstall:
	rm -f $(moddir)/dm-ordered.ko $(sbindir)/orderedctl $(mandir)/man8/orderedctl.8 $(compdir)/orderedctl
	rm -rf $(dkmsdir)
	$(if $(DESTDIR),,depmod $(release))

setup:
	scripts/setup.sh

check:
	@scripts/setup.sh
	@tests/run.sh static unit kunit fuzz sim images vm bench
check-static check-unit check-kunit check-fuzz check-sim check-images check-vm check-bench check-mutants: check-%:
	@scripts/setup.sh
	@tests/run.sh $*
check-long:
	@scripts/setup.sh
	@LONG=1 tests/run.sh static unit kunit fuzz sim images vm bench mutants

bench:
	@scripts/setup.sh bench
	@tests/bench/run.sh all
bench-quick:
	@tests/bench/run.sh quick
bench-compare:
	@test -n "$(OLD)" -a -n "$(NEW)" || { echo 'make bench-compare OLD=FILE NEW=FILE'; exit 2; }
	@tests/bench/compare.sh "$(OLD)" "$(NEW)"

demo:
	@scripts/setup.sh demo
	@scripts/demo.sh

clean:
	rm -rf build
