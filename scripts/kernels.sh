#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernels the tests run on. Stock ones are Debian's packages; the User-mode kernel for KUnit and
# the debug kernel are built from linux-source-6.1 into a cache outside the tree, whose entries are
# keyed by the source package's version and a hash of the configuration, and used only if they match.
#
#   kernels.sh version 6.1|6.12|debug   release string (uname -r) of that kernel
#   kernels.sh list                     the stock kernels, as "6.1 6.12"
#   kernels.sh image   KERNEL           path of the bootable image
#   kernels.sh kdir    KERNEL           directory to build modules against
#   kernels.sh source                   unpacked source tree (unpacks it the first time)
#   kernels.sh build uml|debug          build it into the cache, unless it is there
#   kernels.sh uml-out                  output tree of the User-mode kernel
#   kernels.sh cache                    the cache directory

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dm-ordered
tarball=/usr/src/linux-source-6.1.tar.xz
jobs=${JOBS:-$(nproc)}

die() { echo "kernels.sh: $*" >&2; exit 1; }

# Newest installed stock kernel of series $1 that has both its image and its headers.
stock_version() {
	local v

	v=$(find /boot -maxdepth 1 -name "vmlinuz-$1.*" -printf '%f\n' 2>/dev/null | sed 's/^vmlinuz-//' |
		grep -vE -- '-(rt|cloud)-' | sort -V | while read -r v; do
			[ -e "/lib/modules/$v/build" ] && echo "$v"
		done | tail -n 1)
	[ -n "$v" ] || die "no stock $1 kernel with headers is installed; run scripts/setup.sh"
	echo "$v"
}

source_version() {
	dpkg-query -W -f '${Version}' linux-source-6.1 2>/dev/null | grep . ||
		die "the package linux-source-6.1 is not installed; run scripts/setup.sh"
}

# Runs "$@" while holding the lock $1 of the cache, so that two checkouts can share it.
locked() {
	local name=$1; shift

	mkdir -p "$cache"
	(flock 9; "$@" 9>&-) 9>"$cache/$name.lock"
}

source_dir() { echo "$cache/src-$(source_version)"; }

unpack() {
	local dir; dir=$(source_dir)

	[ ! -e "$dir/.complete" ] || return 0
	echo "kernels.sh: unpacking $tarball" >&2
	rm -rf "$dir" "$dir.new"; mkdir -p "$dir.new"
	tar -C "$dir.new" --strip-components=1 -xf "$tarball"
	# The hook by which the User-mode kernel takes in our KUnit tests; see kunit.sh.
	# shellcheck disable=SC2016 # make expands it
	echo 'obj-$(CONFIG_UML) += dm-ordered-kunit/' >> "$dir.new/drivers/md/Makefile"
	mkdir -p "$dir.new/drivers/md/dm-ordered-kunit"
	: > "$dir.new/drivers/md/dm-ordered-kunit/Makefile"
	touch "$dir.new/.complete"
	mv "$dir.new" "$dir"
}

# Output tree of kernel $1 (uml or debug): source version and configuration make up its name.
out_dir() {
	local key

	key=$( (source_version; gcc -dumpfullversion; cat "$here/kconfig/$1.config") | sha256sum | cut -c1-12)
	echo "$cache/$1-$key"
}

arch_args() {
	case $1 in
	uml) echo "ARCH=um SUBARCH=x86_64" ;;
	debug) echo "ARCH=x86_64 LOCALVERSION=-dmo-debug" ;;
	esac
}

# Every option that file $1 wants must have come out in $2: one that depends on something else is dropped in silence.
configured() {
	local missing

	missing=$(grep -E '^CONFIG_[A-Z0-9_]+=[ym]$' "$1" | grep -vxFf "$2" || true)
	[ -z "$missing" ] || { echo "not to be had in this kernel: $missing"; return 1; }
}

build() {
	local what=$1 src out targets
	local -a args

	src=$(source_dir); out=$(out_dir "$what")
	[ ! -e "$out/.complete" ] || return 0
	locked source unpack
	read -ra args <<< "$(arch_args "$what")"
	echo "kernels.sh: building the $what kernel in $out" >&2
	rm -rf "$out"; mkdir -p "$out"
	case $what in
	uml) targets="linux" ;;
	debug)
		targets="bzImage modules"
		# 6.1 denies x86-64 the filter that makes only what one module asks for fail, since the ORC unwinder
		# is no help to it; 6.2 lifted that. We build with frame pointers.
		sed -i '/^config FAULT_INJECTION_STACKTRACE_FILTER$/,/^$/{/depends on !X86_64/d}' "$src/lib/Kconfig.debug" ;;
	esac
	# shellcheck disable=SC2086 # the targets are words
	if ! { make -C "$src" "${args[@]}" O="$out" KCONFIG_ALLCONFIG="$here/kconfig/$what.config" allnoconfig &&
	       { [ "$what" != debug ] || configured "$here/kconfig/$what.config" "$out/.config"; } &&
	       nice make -C "$src" "${args[@]}" O="$out" -j"$jobs" $targets; } > "$out/build.log" 2>&1; then
		tail -n 20 "$out/build.log" >&2
		die "building the $what kernel failed; the whole log is $out/build.log"
	fi
	touch "$out/.complete"
}

# By its output tree: whoever uses another configuration does not wait.
ensure() { locked "$(basename "$(out_dir "$1")")" build "$1"; }

case ${1:-} in
list) echo "6.1 6.12" ;;
cache) echo "$cache" ;;
version)
	case ${2:-} in
	debug) ensure debug; cat "$(out_dir debug)/include/config/kernel.release" ;;
	6.1|6.12) stock_version "$2" ;;
	*) die "unknown kernel '${2:-}': it is 6.1, 6.12 or debug" ;;
	esac ;;
image)
	case ${2:-} in
	debug) ensure debug; echo "$(out_dir debug)/arch/x86/boot/bzImage" ;;
	*) echo "/boot/vmlinuz-$("$0" version "${2:-}")" ;;
	esac ;;
kdir)
	case ${2:-} in
	debug) ensure debug; out_dir debug ;;
	*) echo "/lib/modules/$("$0" version "${2:-}")/build" ;;
	esac ;;
source) locked source unpack; source_dir ;;
build) case ${2:-} in uml|debug) ensure "$2" ;; *) die "build what? uml or debug" ;; esac ;;
uml-out) ensure uml; out_dir uml ;;
*) sed -n '5,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
