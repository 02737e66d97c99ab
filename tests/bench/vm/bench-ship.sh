#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: how much is replicated in a second when there is more to send than a line of 200 Mbit/s and 20 ms RTT carries,
# against one TCP stream over it; and what a replicated byte costs both sides, against a copy over TCP and two disk writes.
# Kernels: 6.1
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 1280
# Append: clearcpuid=erms,fsrm

. "$DMO_TOP/tests/bench/lib.sh"

seconds=$(long 3 10)
mib=48

# stream SECONDS: bytes a second of one TCP stream from pri to sec, once it is steady.
stream() {
	local before to from rx=/sys/class/net/eth0/statistics/rx_bytes

	ip netns exec sec dmostream listen 9000 &
	to=$!
	wait_for 10 "somebody listens" s_listening 9000
	ip netns exec pri dmostream send 10.77.0.2 9000 0 &
	from=$!
	sleep 3
	before=$(in_sec cat $rx)
	sleep "$1"
	tcp=$(calc "($(in_sec cat $rx) - $before) / $1")
	kill $from
	wait $from $to || true
}

# sustained WHAT OPTION...: 10000 writes a second, more than the line carries; the bytes that arrive, headers and all.
sustained() {
	local what=$1 before rate rx=/sys/class/net/eth0/statistics/rx_bytes; shift

	io "$(pvol n)" --area 0M:${mib}M --rate 10000 --ops 40000 "$@"
	before=$(in_sec cat $rx)
	io "$(pvol n)" --area 0M:${mib}M --rate 10000 --ops $((10000 * seconds)) "$@"
	rate=$(calc "($(in_sec cat $rx) - $before) / ($io_ns / 1e9)")
	figure "replicated, $what writes" "$rate" bytes/s
	figure "replicated, $what writes, to one TCP stream" "$(ratio "$rate" "$tcp")" x min 0.9
	session_drain n
}

# busy: what the machine was not idle, in ns.
busy() { awk '$1 == "cpu" { print ($2 + $3 + $4 + $6 + $7 + $8) * 10000000 }' /proc/stat; }

# cost FUNCTION...: ns of work a byte.
cost() {
	local before; before=$(busy)

	"$@" > /dev/null
	calc "($(busy) - $before) / ($mib * 1048576)"
}
replicate() {
	io "$(pvol n)" --area 0M:${mib}M --size 64k --walk seq --ops $((mib * 16))
	session_drain n
}
copy_and_write() {
	local to

	ip netns exec sec dmostream listen 9001 &
	to=$!
	wait_for 10 "somebody listens" s_listening 9001
	check "copy" in_pri dmostream send 10.77.0.2 9001 $((mib << 20))
	wait $to
	io "/dev/mapper/lin" --area 0M:${mib}M --size 64k --walk seq --ops $((mib * 16))
	io "/dev/mapper/lin" --area 0M:${mib}M --size 64k --walk seq --ops $((mib * 16))
}

load_module
net_sites
for i in n-pd1 n-sd1 other; do bench_disk slow $i 64; done
disk_linear lin "${S_dev[other]}"
bench_session n 1 64
bench_cycle n 1000
bench_line 20 200mbit
stream "$seconds"
figure "one TCP stream" "$tcp" bytes/s
sustained "4 KiB random"
sustained "4 KiB sequential" --walk seq

bench_line 0
bench_cycle n 3600000
for i in warm counted; do
	replicated=$(cost replicate)
	copied=$(cost copy_and_write)
done
echo "the $i ones"
figure "work a replicated byte, both sides" "$replicated" ns
figure "work a byte of a TCP copy and two disk writes" "$copied" ns
figure "work a replicated byte, to that" "$(ratio "$replicated" "$copied")" x max 2.5
session_equal n
session_remove n
dmsetup remove lin
bench_pass
