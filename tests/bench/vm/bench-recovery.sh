#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: how fast a secondary whose disks do 200 MB/s each takes a chunk into its journal and restores it; how long from its
# activation with a full journal to the end of the promotion, against reading that journal once.
# Kernels: 6.1
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 4608
# Append: clearcpuid=erms,fsrm
# Plot: recovery|lines|From activation to promoted, disks of 200 MB/s|MiB in the journal|virtual s

. "$DMO_TOP/tests/bench/lib.sh"

# disk_200 NAME MIB
disk_200() { S_dev[$1]=$(disk_null "$1" "$2" irqmode=2 completion_nsec=10000 blocksize=512 cache_size=0 mbps=200); }

uptime_s() { cut -d' ' -f1 /proc/uptime; }
committed() { [ "$(sstat "$1" cut_committed.n)" = "$2" ]; }
restored() { [ "$(sstat "$1" cut_restored.n)" = "$2" ]; }

# session NAME MIB
session() {
	local name=$1 mib=$2

	S_dev[$name-pd1]=$(disk_loop "$name-pd" "$mib")
	disk_200 "$name-sd1" "$mib"
	disk_200 "$name-sm" $((mib * 9 + 64))	# a chunk of an eighth of the journal would be cut before it is complete
	S_dev[$name-pm]=$(disk_loop "$name-pm" 64)
	bench_session "$name" 1 "$mib" mdisk=given budget=1024
}
# dirty NAME MIB: all of it, in 64 KiB writes.
dirty() { io "$(pvol "$1")" --walk once --size 64k --ops $(($2 * 16)) --depth 4; }

bandwidth() {
	local mib=$1 raw start t bytes=$(($1 << 20))

	session b "$mib"
	io "$(sdata b)" --walk seq --size 512k --depth 4 --ops $((mib * 2))
	raw=$(calc "512 * 1024 / ($io_per_op / 1e9)")
	figure "raw write bandwidth of the disks" "$raw" bytes/s
	dirty b "$mib"
	start=$(uptime_s)
	check "switch" orderedctl switch "$(pmeta b)"
	wait_for 60 "the commit" committed b 1
	t=$(calc "$(uptime_s) - $start")
	figure "journal, $mib MiB" "$(calc "$bytes / $t")" bytes/s
	figure "journal, $mib MiB, to raw" "$(ratio "$(calc "$bytes / $t")" "$raw")" x min 0.4
	wait_for 60 "the restore" restored b 1
	t=$(calc "$(uptime_s) - $start - $t")
	figure "restore, $mib MiB" "$(calc "$bytes / $t")" bytes/s
	figure "restore, $mib MiB, to raw" "$(ratio "$(calc "$bytes / $t")" "$raw")" x min 0.4
	session_remove b
}

recovery() {
	local mib=$1 name=j$1 start read taken

	session "$name" "$mib"
	dmsetup suspend "$name-s-1"	# what is committed is not restored
	dirty "$name" "$mib"
	check "switch" orderedctl switch "$(pmeta "$name")"
	wait_for 60 "the commit" committed "$name" 1
	same "nothing is restored" "$(sstat "$name" cut_restored)" 0.0
	dmsetup remove "$name-s-1"
	session_remove "$name" p
	echo 3 > /proc/sys/vm/drop_caches
	start=$(uptime_s)
	check "reading the journal" dd if="$(smeta "$name")" of=/dev/null bs=1M count="$mib" iflag=direct status=none
	read=$(calc "$(uptime_s) - $start")
	start=$(uptime_s)
	session_create "$name" s
	taken=$(calc "$(uptime_s) - $start")
	figure "journal of $mib MiB: reading it once" "$read" s
	figure "journal of $mib MiB: activation" "$taken" s
	check "promotion" orderedctl promote "$(smeta "$name")"
	taken=$(calc "$(uptime_s) - $start")
	figure "journal of $mib MiB: to the end of the promotion" "$taken" s
	figure "journal of $mib MiB: to the end of the promotion, to reading it" "$(ratio "$taken" "$read")" x max 1.5
	point recovery "reading the journal once" "$mib" "$read"
	point recovery "activation and promotion" "$mib" "$taken"
	same "role" "$(sstat "$name" role)" primary
	session_remove "$name" s
	start=$(uptime_s)
	session_create "$name" s
	figure "journal of $mib MiB, once it is empty: activation" "$(calc "$(uptime_s) - $start")" s
	session_remove "$name" s
	losetup -D
	rm -f /dev/shm/*
	for start in sd1 sm; do
		null_power_off "$name-$start"
		rmdir "/sys/kernel/config/nullb/$name-$start"
	done
}

load_module
bandwidth "$(long 64 256)"
for mib in $(long "64" "64 512"); do recovery "$mib"; done
bench_pass
