#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: how long a 4 KiB random write takes while cycles are shipped to a secondary that is far away, against one that
# is near. The writes come at random moments, the writer goes ahead of all other threads.
# Kernels: 6.1
# Quick: yes
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1024
# Append: clearcpuid=erms,fsrm preempt=full
# Plot: distance|lines|Latency of a 4 KiB write under steady load|RTT in ms|mean, virtual ns

. "$DMO_TOP/tests/bench/lib.sh"

seconds=$(long 2 5)
declare -A near
rates=([1]=500 [16]=2000)

# paced DEPTH OPS: a writer whose pace is that of nothing else here; the same writes at each distance.
paced() {
	io_program="chrt -f 50 dmobench" io "$(pvol d)" --area 0M:32M --depth "$1" --rate "${rates[$1]}" --arrive random \
		--ops "$2" --seed "$1"
}

# measure RTT: cycles of 200 ms, or what that distance allows.
measure() {
	local rtt=$1 depth cuts word value

	bench_line "$rtt"
	sleep 1
	for depth in 1 16; do
		cuts=$(pstat d cut.n)
		paced $depth $((rates[depth] * seconds))
		cuts=$(($(pstat d cut.n) - cuts))
		[ $cuts -gt 0 ] || fail "nothing was shipped"
		figure "RTT $rtt ms, depth $depth: cycles meanwhile" $cuts ""
		for word in mean p50 p99; do
			value=io_$word
			value=${!value}
			: "${near[$depth-$word]:=$value}"
			figure "RTT $rtt ms, depth $depth: $word" "$value" ns
			[ "$rtt" = 0 ] || [ $word = p99 ] ||
				figure "RTT $rtt ms, depth $depth: $word, to RTT 0" "$(ratio "$value" "${near[$depth-$word]}")" x max 1.03
		done
		figure "RTT $rtt ms, depth $depth: max" "$io_max" ns
		point distance "depth $depth" "$rtt" "$io_mean"
	done
}

load_module
bench_disk slow d-pd1 64
bench_session d 1 64
bench_cycle d 200
for depth in 1 16; do paced $depth 200; done
for rtt in 0 20 100 300; do measure $rtt; done
bench_line 0
session_drain d
session_equal d
session_remove d
bench_pass
