#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: in sessions of 1, 16 and 256 volumes, what a write costs, and how long a cycle switch holds one up: the longest
# latency with a switch each 20 ms, less that without any. The writer goes ahead of all other threads.
# Kernels: 6.1
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 2048
# Append: clearcpuid=erms,fsrm preempt=full
# Plot: volumes|loglines|Session of many volumes|volumes|virtual ns

. "$DMO_TOP/tests/bench/lib.sh"

# slices NAME N DEVICE END: S_dev[NAME-ENDdN], volumes of 1 MiB.
slices() {
	local k

	for ((k = 1; k <= $2; k++)); do
		printf '%s,,,rw,0 2048 linear %s %d;' "$1-${4}d$k" "$3" $(((k - 1) * 2048))
		S_dev[$1-${4}d$k]=/dev/mapper/$1-${4}d$k
	done | sed 's/;$//' > /run/concise
	for ((k = 1; k <= $2; k++)); do S_dev[$1-${4}d$k]=/dev/mapper/$1-${4}d$k; done
	check "slices of $3" dmsetup create --concise "$(cat /run/concise)"
	dmsetup mknodes > /dev/null 2>&1 || true
}

# paced NAME: write, ahead of all others; the longest it took is what counts. By AIO, though one at a time: Linux 6.1 has
# what pwrite() writes issued by kblockd's thread, which waits for the CPU like all others.
paced() {
	io_program="chrt -f 50 dmobench" io "$(pvol "$1")" --rate 500 --depth 2 --ops "$(long 500 4000)"
}

measure() {
	local n=$1 name=v$1 quiet cuts

	slices "$name" "$n" "${S_dev[p]}" p
	slices "$name" "$n" "${S_dev[s]}" s
	bench_session "$name" "$n" 1
	io "$(pvol "$name")" --walk once --ops 256
	io "$(pvol "$name")" --ops 500
	io "$(pvol "$name")" --ops "$(long 1000 10000)"
	figure "$n volumes: a rewritten block" "$io_per_op" ns
	: "${first:=$io_per_op}"
	[ "$n" = 1 ] || figure "$n volumes: a rewritten block, to 1 volume" "$(ratio "$io_per_op" "$first")" x max 1.2
	point volumes "cost of a rewritten block" "$n" "$io_per_op"
	paced "$name"
	paced "$name"
	quiet=$io_max
	bench_cycle "$name" 20
	paced "$name"
	cuts=$(pstat "$name" cut.n)
	paced "$name"
	cuts=$(($(pstat "$name" cut.n) - cuts))
	[ $cuts -gt 20 ] || fail "only $cuts switches"
	figure "$n volumes: longest latency without a switch" "$quiet" ns
	figure "$n volumes: switches" "$cuts" ""
	figure "$n volumes: longest latency with a switch each 20 ms" "$io_max" ns
	if [ "$n" = 16 ]; then
		figure "$n volumes: longest extra hold at a switch" $((io_max - quiet)) ns max 100000
	else
		figure "$n volumes: longest extra hold at a switch" $((io_max - quiet)) ns
	fi
	point volumes "longest extra hold at a switch" "$n" $((io_max - quiet))
	session_remove "$name"
	dmsetup ls | awk -v n="$name-" 'index($1, n) == 1 { print $1 }' | xargs -r -n 64 dmsetup remove
}

load_module
bench_disk slow p 256
bench_disk slow s 256
for n in 1 16 256; do measure $n; done
bench_pass
