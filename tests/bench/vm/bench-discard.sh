#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: blkdiscard and mkfs.ext4 of a sparse volume of 1 TiB, beside the same on dm-linear: time, memory of the session,
# bytes on the line.
# Kernels: 6.1
# Quick: yes
# Machines: 1
# Icount: 1
# Limit: 300
# Mem: 4096
# Append: clearcpuid=erms,fsrm

bench_programs="blkdiscard mkfs.ext4"
. "$DMO_TOP/tests/bench/lib.sh"

# sparse NAME: 1 TiB of nothing.
sparse() {
	truncate -s 1T "/dev/shm/$1"
	S_dev[$1]=$(losetup -f --show "/dev/shm/$1")
}
# took COMMAND...: sets ms
took() {
	local t; t=$(now_ms)

	"$@" > /run/out 2>&1 || fail "$*: $(tail -n 1 /run/out)"
	ms=$(($(now_ms) - t))
}
mkfs() { mkfs.ext4 -q -F "$1"; }

load_module
need_module loop
mount -t tmpfs -o remount,size=100% tmpfs /dev/shm
sparse lin
disk_linear lin-dev "${S_dev[lin]}"
took mkfs /dev/mapper/lin-dev; linear_mkfs=$ms
took blkdiscard -f /dev/mapper/lin-dev; linear_discard=$ms
check "dm-linear goes" dmsetup remove lin-dev
losetup -d "${S_dev[lin]}"
rm /dev/shm/lin
dmesg -C	# a loop device below dm-linear complains

sparse d-pd1
sparse d-sd1
session_make d 1 1048576 disk=given pmeta=64 smeta=1024 mdisk=loop equal=1 reads=0 cycle=3600000 budget=1024 timeout=600000
session_link d
used=$(pstat d mem_used_bytes) sent=$(pstat d link_tx_bytes)
took blkdiscard -f "$(pvol d)"
figure "blkdiscard of 1 TiB" "$ms" ms max 2000
figure "blkdiscard of 1 TiB, dm-linear" "$linear_discard" ms
figure "blkdiscard of 1 TiB: memory" $(($(pstat d mem_used_bytes) - used)) bytes max 1048576
session_drain d 120
figure "blkdiscard of 1 TiB: on the line" $(($(pstat d link_tx_bytes) - sent)) bytes max 65536
took mkfs "$(pvol d)"
figure "mkfs.ext4 of 1 TiB" "$ms" ms
figure "mkfs.ext4 of 1 TiB, dm-linear" "$linear_mkfs" ms
figure "mkfs.ext4 of 1 TiB: over 1.5 times dm-linear" "$(calc "$ms - 1.5 * $linear_mkfs")" ms max 2000
session_drain d 120
session_remove d
dmesg | grep -c "WRITE_ZEROES" > /run/lines || true
figure "mkfs.ext4: complaints in the kernel log" "$(cat /run/lines)" lines max 0
bench_pass
