#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a data device that has grown, below an active volume or before activation, changes nothing and offers no more; one
# that has shrunk is refused with both sizes named, and works again, without a copy, when it has its size.
# Kernels: 6.12
# Machines: 1
# Limit: 120
# Mem: 512

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# resized DISK MIB: let the dm-linear below an end's volume have another size.
resized() { disk_table "$1" "0 $(($2 * 2048)) linear $3 0"; }

load_module
sectors=$((8 * 2048))
for end in p s; do
	big=$(disk_loop big-$end 24)
	dmsetup create one-${end}d1 --table "0 $sectors linear $big 0"
	dmsetup mknodes one-${end}d1 > /dev/null 2>&1 || true
	S_dev[one-${end}d1]=/dev/mapper/one-${end}d1
done
session_make one 1 8 equal=1 disk=given
session_link one
load() { load_start "$(pvol one)" --seed "$1" --lanes 2 --ops 30 --max 64k --verify; load_wait "$(pvol one)"; }
load 1

step "both grow under active volumes"
resized one-pd1 12 /dev/dmo/big-p
resized one-sd1 16 /dev/dmo/big-s
same "the volume's size" "$(blockdev --getsz "$(pvol one)")" $sectors
load 2
session_drain one
same_content "$(pdata one)" "$(sdata one)" 8
refused "a table as large as the device" "." dmsetup load one-p-1 --table "0 $((12 * 2048)) ordered $(pdata one) $(pmeta one) 1"
dmesg | grep -q "table has $((12 * 2048)) sectors, but volume 1 was formatted with $sectors" || fail "the log does not say why"
check "a reload with the same size" disk_table one-p-1 "$(session_table one p)"
refused "a write past the volume" "No space|beyond" dd if=/dev/zero of="$(pvol one)" bs=4k seek=$((sectors / 8)) count=1 oflag=direct
same "nothing past it" "$(peek "$(pdata one)" $((sectors / 8)))" ........
session_unlink one

step "the secondary comes back with a device that shrank"
fill "$(pvol one)" L 100 4
session_remove one s
resized one-sd1 7 /dev/dmo/big-s
refused "create" "has $((7 * 2048)) sectors|too small|smaller" orderedctl create one-s-1 --meta "$(smeta one)" --volume 1 --data "$(sdata one)"
refused "dmsetup" "." dmsetup create one-s-1 --table "0 $sectors ordered $(sdata one) $(smeta one) 1"
dmesg | grep -q "has $((7 * 2048)) sectors, volume 1 needs $sectors" || fail "the log does not say why"
resized one-sd1 12 /dev/dmo/big-s
session_create one s
same "it is a point in time still" "$(sstat one inconsistent)" false
session_link one
session_drain one
same "what was written meanwhile" "$(peek "$(sdata one)" 100)" LLLLLLLL
same_content "$(pdata one)" "$(sdata one)" 8
[ "$(pstat one link_tx_bytes)" -lt 1000000 ] || fail "that was a full copy"

step "the primary's device shrinks under it"
events_start
resized one-pd1 7 /dev/dmo/big-p
refused "a write to what is gone" "rror" dd if=/dev/urandom of="$(pvol one)" bs=4k seek=2000 count=1 oflag=direct
event_wait 10 ' error .*a write to the data device failed'
fill "$(pvol one)" M 300 4
resized one-pd1 8 /dev/dmo/big-p
fill "$(pvol one)" N 2000 1
session_drain one
same "what was written meanwhile" "$(peek "$(sdata one)" 300)" MMMMMMMM
same_content "$(pdata one)" "$(sdata one)" 8
events_stop
session_remove one
pass
