#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a secondary's device fails reads and mounts, and is not harmed by them; with allow_reads an ext4 that was
# unmounted and drained mounts read-only, shows what was written, and refuses to be written.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 512

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make one 1 16 equal=1 reads=0
session_link one
mkdir -p /mnt/p /mnt/s
check "mkfs" mkfs.ext4 -q "$(pvol one)"
mount "$(pvol one)" /mnt/p
echo first > /mnt/p/word
umount /mnt/p
session_drain one

step "without allow_reads"
refused "a read" "Input/output error" dd if="$(svol one)" of=/dev/null bs=4k count=1 iflag=direct
refused "a read through the page cache" "Input/output error" head -c 512 "$(svol one)"
refused "a mount, read-only" "." mount -t ext4 -o ro,noload "$(svol one)" /mnt/s
check "status works" orderedctl status "$(smeta one)"
check "an empty flush is no error" blockdev --flushbufs "$(svol one)"
session_drain one
check "nothing was harmed" dmoload cmp "$(pdata one)" "$(sdata one)"

step "with it, by a reload of the table"
disk_table one-s-1 "$(session_table one s) 1 allow_reads"
check "the link stays" s_is "$(pmeta one)" link_state up
check "mount, read-only" mount -t ext4 -o ro,noload "$(svol one)" /mnt/s
same "what was written" "$(cat /mnt/s/word)" first
refused "a write to a file" "Read-only file system" touch /mnt/s/new
refused "remounted writable" "." mount -o remount,rw /mnt/s
refused "a write to the device" "." dd if=/dev/zero of="$(svol one)" bs=4k count=1 oflag=direct
check "the log says why" eval "dmesg | grep 'write refused: this side is secondary; orderedctl promote'"
refused "promotion while it is mounted" "open" orderedctl promote "$(smeta one)"
umount /mnt/s

step "later writes show up, once the page cache is dropped"
mount "$(pvol one)" /mnt/p
echo second > /mnt/p/word
umount /mnt/p
session_drain one
check "drop" blockdev --flushbufs "$(svol one)"
check "mount, read-only" mount -t ext4 -o ro,noload "$(svol one)" /mnt/s
same "what was written" "$(cat /mnt/s/word)" second
umount /mnt/s

step "after promotion it is mounted writable"
session_unlink one
session_remove one p
check "promotion" orderedctl promote "$(smeta one)"
check "mount" mount "$(svol one)" /mnt/s
same "what was written" "$(cat /mnt/s/word)" second
echo third > /mnt/s/word
umount /mnt/s
check "fsck" e2fsck -fn "$(svol one)"
session_remove one s
pass
