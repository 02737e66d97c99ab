#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: what a 4 KiB write costs the host while the link is up and nothing is shipped, against dm-linear on the
# same disk: blocks that the cycle has already, and new ones.
# Kernels: 6.1
# Quick: yes
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1024
# Plot: foreground|bars|What a 4 KiB random write costs the host (link up, nothing shipped)||instructions (virtual ns) a write
# Append: clearcpuid=erms,fsrm

. "$DMO_TOP/tests/bench/lib.sh"

blocks=$(long 1024 8000) ops=$(long 2000 20000)

# load DEVICE DEPTH new|rewritten: each depth has a half of the disk.
load() {
	local area=$(($2 == 1 ? 0 : 32))M:$((blocks * 4))k

	case $3 in
	new) io "$1" --depth "$2" --area "$area" --walk once --ops "$blocks" ;;
	rewritten) io "$1" --depth "$2" --area "$area" --ops "$ops" ;;
	esac
}

# all DEVICE FUNCTION: all loads on it, and what is to be done with each result.
all() {
	local depth

	for depth in 1 16; do
		load "$1" $depth new
		"$2" "$disk disk, depth $depth, new blocks" 1.6
		load "$1" $depth rewritten
		"$2" "$disk disk, depth $depth, rewritten blocks" 1.3
	done
}

tell() {
	bench_tell_both foreground "$1"
	figure "$1: ratio" "$(ratio "$io_per_op" "${linear[$1]}")" x max "$2"
}

measure() {
	bench_beside_linear "$1"
	all "$(pvol "$disk")" tell
	same "blocks in the cycle" "$(pstat "$disk" chunk_active.slots)" $((blocks * 2))
	same "cuts made" "$(pstat "$disk" cut.n)" 0
	session_remove "$disk"
}

load_module
measure ram
measure slow
bench_pass
