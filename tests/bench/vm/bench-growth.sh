#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: what a write costs, and how much memory a dirty block takes, with 1000, 10000 and 100000 of them; how near to its
# budget the memory stays under overload; bits a reference.
# Kernels: 6.1
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 3072
# Append: clearcpuid=erms,fsrm brd.rd_size=524288
# Plot: growth|loglines|Cost of a 4 KiB write, disk in memory|dirty blocks|virtual ns

. "$DMO_TOP/tests/bench/lib.sh"

ops=$(long 2000 10000)
declare -A first

free_kib() { echo 3 > /proc/sys/vm/drop_caches; awk '$1 == "MemFree:" { print $2 }' /proc/meminfo; }

# dirty N: the first N blocks of the disk; then what a write to one of them, and to a new one, costs.
dirty() {
	local n=$1 i=$2 free slots what; slots=$(pstat g chunk_active.slots)

	free=$(free_kib)
	io "$(pvol g)" --area 0:$((n * 4))k --walk once --ops "$n" --depth 16
	slots=$(($(pstat g chunk_active.slots) - slots))
	figure "$n dirty blocks: bytes of memory each" "$(calc "($free - $(free_kib)) * 1024 / $slots")" bytes max 4506
	for what in rewritten new; do
		case $what in
		rewritten) io "$(pvol g)" --area 0:$((n * 4))k --ops "$ops" ;;
		new) io "$(pvol g)" --area $((400 + i * 8))M:8M --walk once --ops 2000 ;;
		esac
		figure "$n dirty blocks: a $what block" "$io_per_op" ns
		: "${first[$what]:=$io_per_op}"
		[ "$n" = 1000 ] ||
			figure "$n dirty blocks: a $what block, to 1000" "$(ratio "$io_per_op" "${first[$what]}")" x max 1.2
		point growth "$what block" "$n" "$io_per_op"
	done
}

# overload: more than the budget holds, all the time; the most that was used.
overload() {
	local budget=$((16 << 20)) used most=0 i

	bench_session o 1 256 budget=16
	for ((i = 0; i < $(long 20 60); i++)); do
		io "$(pvol o)" --area 0M:256M --depth 16 --ops 500 --seed "$i" > /dev/null
		used=$(pstat o mem_used_bytes)
		[ "$used" -le "$most" ] || most=$used
	done
	figure "overload: most memory used, to the budget" "$(ratio "$most" $budget)" x max 1.01
	same "INCONSISTENT" "$(sstat o inconsistent)" false
	session_remove o
}

# reference: memory of a session of a large volume less that of a small one.
reference() {
	local a b mib

	for mib in 1024 9216; do
		S_dev[r$mib-pd1]=$(disk_loop "r$mib-pd" $mib)
		S_dev[r$mib-sd1]=$(disk_loop "r$mib-sd" $mib)
		bench_session r$mib 1 $mib
		[ $mib = 1024 ] || b=$(pstat r$mib mem_used_bytes)
		[ $mib != 1024 ] || a=$(pstat r$mib mem_used_bytes)
		session_remove r$mib
	done
	figure "a reference: bits a block" "$(calc "($b - $a) * 8 / (8192 * 256)")" bits max 2.1
}

load_module
s_disk g-pd1 brd 448 pri 512
S_dev[g-sd1]=$(disk_loop g-sd 448)
check "filling" dmoload fill "$(pdata g)" --max 1M
bench_session g 1 448 smeta=8192
io "$(pvol g)" --area 440M:4M --ops 500
io "$(pvol g)" --area 440M:4M --ops 500 --depth 16
dirty 1000 0
dirty 10000 1
dirty "$(long 30000 100000)" 2
same "cuts made" "$(pstat g cut.n)" 0
session_remove g

S_dev[o-pd1]=$(disk_loop o-pd 256)
S_dev[o-sd1]=$(disk_loop o-sd 256)
overload
reference
bench_pass
