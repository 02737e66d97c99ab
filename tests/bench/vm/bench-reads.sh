#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: what reads cost the host while the link is up and nothing is shipped, against dm-linear on the same disk; a
# quarter of the blocks that are read are in the cycle.
# Kernels: 6.1
# Quick: yes
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1024
# Append: clearcpuid=erms,fsrm
# Plot: reads|bars|What a read costs the host (link up, nothing shipped)||instructions (virtual ns) a read

. "$DMO_TOP/tests/bench/lib.sh"

ops=$(long 1000 20000)

# all DEVICE FUNCTION: all reads of it, and what is to be done with each result. Not larger ones of the ram disk: it
# takes 255 sectors at once, so that dm splits a read of 256 for a target with zones, and dm-linear has none.
all() {
	local depth

	for depth in 1 16; do
		io "$1" --op read --depth $depth --ops "$ops"
		"$2" "$disk disk, 4 KiB random, depth $depth"
	done
	[ "$disk" = slow ] || return 0
	for depth in 1 4; do
		io "$1" --op read --walk seq --size 128k --depth $depth --ops $((ops / 4))
		"$2" "$disk disk, 128 KiB sequential, depth $depth"
	done
}

tell() {
	bench_tell_both reads "$1"
	figure "$1: rate" "$(ratio "${linear[$1]}" "$io_per_op")" x min 0.95
}

measure() {
	bench_beside_linear "$1"
	io "$(pvol "$disk")" --walk once --ops 4096
	all "$(pvol "$disk")" true
	all "$(pvol "$disk")" tell
	same "cuts made" "$(pstat "$disk" cut.n)" 0
	session_remove "$disk"
}

load_module
measure ram
measure slow
bench_pass
