#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: writes a second under full load over a line of 100 Mbit/s, for seconds, against DRBD 8.4 on disks of the same
# kind over a line of the same kind. Both ends of DRBD are in one kernel, over the loopback interface.
# Kernels: 6.1
# Needs: drbdmeta:drbd-utils /lib/drbd/drbdsetup-84:drbd-utils module/drbd:linux-image-amd64
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1280
# Append: clearcpuid=erms,fsrm
# Plot: drbd-1|lines|4 KiB random writes, depth 1, line of 100 Mbit/s|RTT in ms|writes a virtual second
# Plot: drbd-16|lines|4 KiB random writes, depth 16, line of 100 Mbit/s|RTT in ms|writes a virtual second

. "$DMO_TOP/tests/bench/drbd.sh"
. "$DMO_TOP/tests/bench/lib.sh"

rate=100mbit seconds=$(long 1 3)
declare -A rate_of

# load NAME DEVICE RTT: at both depths, first until it is steady.
load() {
	local depth

	for depth in 1 16; do
		io "$2" --area 0M:48M --depth $depth --ops 200000 --seconds 2 --seed 5
		io "$2" --area 0M:48M --depth $depth --ops 400000 --seconds "$seconds" --seed 6
		rate_of[$1-$3-$depth]=$(calc "1e9 / $io_per_op")
		figure "RTT $3 ms, depth $depth: $1" "${rate_of[$1-$3-$depth]}" writes/s
		point drbd-$depth "$1" "$3" "${rate_of[$1-$3-$depth]}"
	done
}

load_module
for i in end0 end1 o-pd1 o-sd1; do bench_disk slow $i 64; done

step "DRBD"
drbd_up "${S_dev[end0]}" "${S_dev[end1]}"
for protocol in A C; do
	for rtt in 0 20 100; do
		drbd_line $rtt $rate
		drbd_connect $protocol
		load "DRBD $protocol" /dev/drbd0 $rtt
		drbd_disconnect
	done
done
drbd_down

step "ordered"
bench_session o 1 64
bench_cycle o 1000
for rtt in 0 20 100; do
	bench_line $rtt $rate
	load ordered "$(pvol o)" $rtt
	for depth in 1 16; do
		figure "RTT $rtt ms, depth $depth: ordered to DRBD A" \
			"$(ratio "${rate_of[ordered-$rtt-$depth]}" "${rate_of[DRBD A-$rtt-$depth]}")" x min 10
		figure "RTT $rtt ms, depth $depth: ordered to DRBD C" \
			"$(ratio "${rate_of[ordered-$rtt-$depth]}" "${rate_of[DRBD C-$rtt-$depth]}")" x
	done
done
same "INCONSISTENT" "$(sstat o inconsistent)" false
session_remove o
bench_pass
