#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: what a 4 KiB write costs while many others into the same MiB are in flight, against dm-linear on the same
# disk: block locks are looked up among all that are held there.
# Kernels: 6.1
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1024
# Plot: locks|lines|What a 4 KiB write into one MiB costs the host, by writes in flight (disk of 10 us)|writes in flight|instructions (virtual ns) a write
# Append: clearcpuid=erms,fsrm

. "$DMO_TOP/tests/bench/lib.sh"

ops=$(long 4000 20000)
declare -A cost linear

# loads DEVICE KEEP: one load for each depth, its result in KEEP[depth]. In turn, so that up to 256 don't meet.
loads() {
	local depth
	local -n keep=$2

	io "$1" --area 0M:1M --walk seq --ops 1000
	for depth in 1 16 64 256 1024; do
		io "$1" --area 0M:1M --walk seq --depth $depth --ops "$ops"
		# shellcheck disable=SC2034,SC2004 # the caller's array, whose keys are words
		keep[$depth]=$io_per_op
	done
}

load_module
S_dev[deep-pd1]=$(disk_null deep-pd1 64 irqmode=2 completion_nsec=10000 blocksize=512 cache_size=0 hw_queue_depth=2048)
check "filling the disk" dmoload fill "${S_dev[deep-pd1]}" --max 1M
disk_linear lin "${S_dev[deep-pd1]}"
loads /dev/mapper/lin linear
dmsetup remove lin
bench_session deep 1 64
loads "$(pvol deep)" cost
for depth in 1 16 64 256 1024; do
	figure "$depth in flight: dm-linear" "${linear[$depth]}" ns
	figure "$depth in flight: ordered" "${cost[$depth]}" ns
	point locks dm-linear "$depth" "${linear[$depth]}"
	point locks ordered "$depth" "${cost[$depth]}"
done
figure "256 in flight, to 16: dm-linear" "$(ratio "${linear[256]}" "${linear[16]}")" x
figure "256 in flight, to 16: ordered" "$(ratio "${cost[256]}" "${cost[16]}")" x max 1.2
same "cuts made" "$(pstat deep cut.n)" 0
session_remove deep
bench_pass
