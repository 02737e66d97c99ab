#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: two ext4 file systems on two volumes, written with fsync in one order: what the far side holds is a prefix of
# that order over both, fsck finds nothing, in copies made under suspend as after a lost link and promotion.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 640

. "$DMO_TOP/tests/vm/lib/far.sh"

# look WHERE DEVICE-OR-FILE...: replay, what is there, fsck.
look() {
	check "$1: mount" mount "$2" /mnt/a
	check "$1: mount" mount "$3" /mnt/b
	files_check one "$far_cut" /mnt/a /mnt/b
	umount /mnt/a /mnt/b
	check "$1: fsck" e2fsck -fn "$2"
	check "$1: fsck" e2fsck -fn "$3"
}

load_module
session_make one 2 24 equal=1 timeout=1000
session_link one
mkdir -p /mnt/a /mnt/b /mnt/pa /mnt/pb
check "mkfs" mkfs.ext4 -q "$(pvol one 1)"
check "mkfs" mkfs.ext4 -q "$(pvol one 2)"
mount -o discard "$(pvol one 1)" /mnt/pa
mount -o data=journal "$(pvol one 2)" /mnt/pb

step "load, and a copy of the far side meanwhile"
files_start one /mnt/pa /mnt/pb
for ((n = 0; n < $(long 1 20); n++)); do
	far_worth one cut_restored
	far_random
	far_snapshot one /dev/shm/copy.
	look "copy $n" /dev/shm/copy.1 /dev/shm/copy.2
	rm /dev/shm/copy.*
done

step "the link breaks"
far_random
net_cut
sleep 0.3
files_stop one
umount /mnt/pa /mnt/pb
far_promote one
look "promoted" "$(svol one 1)" "$(svol one 2)"
session_remove one s
pass
