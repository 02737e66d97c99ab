#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: the age of the newest committed cut (RPO) under steady load, cycles of 50, 200 and 1000 ms, 20 ms and 200 Mbit/s
# away; and how short cycles get at 0, 20 and 100 ms.
# Kernels: 6.1
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1024
# Append: clearcpuid=erms,fsrm
# Plot: rpo|bars|Age of the newest committed cut, 4 MB/s of random writes, 20 ms RTT, 200 Mbit/s||ms
# Plot: cycle|lines|Shortest cycle under load|RTT in ms|ms

. "$DMO_TOP/tests/bench/lib.sh"

rate=1000

# ages EVENTS: of `orderedctl monitor --json`; the 99th percentile and the maximum over time of the age, in ms. From one commit
# to the next it grows from that of the first cut at its commit.
ages() {
	sed -n 's/.*"time_ns":\([0-9]*\),"event":"\([a-z]*\)".*"n":\([0-9]*\)}.*/\1 \2 \3/p' "$1" | awk '
	{ t = $1 / 1e6 }
	!start { start = int(t / 1000) * 1000 }
	{ t -= start }
	$2 == "switch" { cut[$3] = t }
	$2 == "commit" && ($3 in cut) {
		if (last != "") for (x = at; x < t; x++) print x - last
		if (last != "") print t - last
		last = cut[$3]; at = t
	}' | sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%.2f %.2f\n", v[int(NR * 0.99 + 0.999)], v[NR] }'
}

# rpo CYCLE: the bound: the cycle, 2 RTT, what the chunk takes on the line; the flush of a disk in memory is nothing.
rpo() {
	local m=$1 p99 max bound

	bench_cycle c "$m"
	io "$(pvol c)" --area 0M:32M --rate $rate --ops $((rate * 2))
	orderedctl monitor --json > /run/ages &
	monitor=$!
	io "$(pvol c)" --area 0M:32M --rate $rate --ops $((rate * (m / 50 + $(long 1 5))))
	sleep 0.2
	kill $monitor; wait $monitor || true
	read -r p99 max <<< "$(ages /run/ages)"
	bound=$(calc "$m + 40 + $m / 1000 * $rate * 4096 / 25000")
	figure "RPO, cycle $m ms: bound" "$bound" ms
	figure "RPO, cycle $m ms: p99" "$p99" ms
	figure "RPO, cycle $m ms: max" "$max" ms
	figure "RPO, cycle $m ms: p99 to bound" "$(ratio "$p99" "$bound")" x max 1.2
	point rpo bound "cycle $m ms" "$bound"
	point rpo p99 "cycle $m ms" "$p99"
	point rpo max "cycle $m ms" "$max"
}

shortest() {
	local rtt=$1 cuts t

	bench_line "$rtt" 200mbit
	bench_cycle c 1
	# until the stream has got up to speed: what the change of the line lost holds it back, the longer the farther
	io "$(pvol c)" --area 0M:32M --rate $rate --ops $((rate * (4 + rtt / 5)))
	cuts=$(pstat c cut_committed.n)
	io "$(pvol c)" --area 0M:32M --rate $rate --ops $((rate * $(long 2 6)))
	cuts=$(($(pstat c cut_committed.n) - cuts))
	t=$(calc "$io_ns / 1e6 / $cuts")
	figure "shortest cycle, RTT $rtt ms" "$t" ms max "$(calc "1.5 * $rtt + 5")"
	point cycle measured "$rtt" "$t"
	point cycle "bar: 1.5 RTT + 5 ms" "$rtt" "$(calc "1.5 * $rtt + 5")"
}

load_module
bench_disk slow c-pd1 64
bench_session c 1 64
io "$(pvol c)" --area 0M:32M --rate $rate --ops 200
bench_line 20 200mbit
for m in 50 200 1000; do rpo $m; done
for rtt in 0 20 100; do shortest $rtt; done
bench_line 0
session_drain c
session_equal c
session_remove c
bench_pass
