#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a volume offers discards and write-zeroes where its data device does, with its granularity, alignment and limits,
# and none on a disk that knows none; there mkfs writes no more than without the volume, and zeroing writes zeroes.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# the_same NAME: the limits of the volume are those of its data device.
the_same() {
	local l

	for l in discard_granularity discard_max_bytes discard_max_hw_bytes write_zeroes_max_bytes; do
		same "$l of $1" "$(disk_limit "$(pvol "$1")" $l)" "$(disk_limit "$(pdata "$1")" $l)"
	done
	same "alignment of $1" "$(cat "$(disk_sys "$(pvol "$1")")/discard_alignment")" "$(cat "$(disk_sys "$(pdata "$1")")/discard_alignment")"
}

# none NAME: discards are refused, zeroing is not.
none() {
	same "discard_max_bytes of $1" "$(disk_limit "$(pvol "$1")" discard_max_bytes)" 0
	refused "a discard" "not supported" blkdiscard -f "$(pvol "$1")"
	dd if=/dev/urandom of="$(pvol "$1")" bs=64k count=2 oflag=direct status=none
	check "zeroing" blkdiscard -z -o 4096 -l 65536 "$(pvol "$1")"
	check "reads as zeroes" cmp -i 4096 -n 65536 "$(pvol "$1")" /dev/zero
}

load_module

step "a disk that knows no discard"
S_dev[no-pd1]=$(disk_null no-p 64 discard=0)
S_dev[no-sd1]=$(disk_null no-s 64 discard=0)
session_make no 1 64 equal=1 disk=given
session_link no
none no
before=$(pstat no 'volumes[0].written_bytes')
check "mkfs" mkfs.ext4 -q "$(pvol no)"
written=$(($(pstat no 'volumes[0].written_bytes') - before))
echo "mkfs wrote $((written >> 10)) KiB"
[ "$written" -lt $((24 << 20)) ] || fail "mkfs wrote $written bytes"
session_drain no
session_equal no
session_remove no

step "disks that know it"
S_dev[null-pd1]=$(disk_null yes-p 16 discard=1 blocksize=4096)
S_dev[null-sd1]=$(disk_null no-s2 16 discard=0 blocksize=4096)
session_make null 1 16 equal=1 disk=given lbs=4096
the_same null
session_remove null

session_make loop 1 16 equal=1
the_same loop
session_remove loop

step "one with a granularity, an alignment and limits of its own"
need_module sd_mod
need_module scsi_debug dev_size_mb=16 lbpu=1 lbprz=1 unmap_granularity=96 unmap_alignment=24 unmap_max_blocks=480
wait_for 10 "the disk" eval 'ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/* > /dev/null 2>&1'
S_dev[sd-pd1]=/dev/$(basename /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*)
S_dev[sd-sd1]=$(disk_null no-s3 16 discard=0)
echo "granularity $(disk_limit "${S_dev[sd-pd1]}" discard_granularity), $(disk_limit "${S_dev[sd-pd1]}" discard_max_bytes) at most"
session_make sd 1 16 equal=1 disk=given
the_same sd
session_link sd
dd if=/dev/urandom of="$(pvol sd)" bs=64k count=64 oflag=direct status=none
check "a discard of it" blkdiscard "$(pvol sd)"
session_drain sd
session_equal sd
session_remove sd

unload_module
pass
