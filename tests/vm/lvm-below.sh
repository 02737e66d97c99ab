#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: data and metadata devices are logical volumes, one of them thin: replication under load; snapshots of the
# secondary's data, made while its devices are suspended, hold a state the primary had, and replication goes on.
# Kernels: 6.12
# Machines: 1
# Limit: 150
# Mem: 768

. "$DMO_TOP/tests/vm/lib/far.sh"
. "$DMO_TOP/tests/vm/lib/lvm.sh"

# group SITE: a volume group with what an end of the session needs.
group() {
	local dev; dev=$(disk_loop "pv-$1" 112)

	lvm_with "$dev"
	lvm_do "pvcreate $dev" "vgcreate -s 1m vg$1 $dev" "lvcreate -y -Wn -Zn -n meta -L 16m vg$1" \
		"lvcreate -y -Wn -Zn -n data -L 16m vg$1" "lvcreate -y -n pool -L 36m --poolmetadatasize 4m -T vg$1" \
		"lvcreate -y -n thin -V 16m --thinpool pool vg$1"
	S_dev[one-$1m]=/dev/mapper/vg$1-meta
	S_dev[one-${1}d1]=/dev/mapper/vg$1-data
	S_dev[one-${1}d2]=/dev/mapper/vg$1-thin
}

later_restored() { [ "$(sstat one cut_restored)" != "$far_cut" ]; }

load_module
need_module dm-thin-pool
need_module dm-snapshot
group p
group s
session_make one 2 16 equal=1 disk=given mdisk=given
session_link one
mkdir -p /mnt/pa /mnt/pb /mnt/a /mnt/b
check "mkfs" mkfs.ext4 -q "$(pvol one 1)"
check "mkfs" mkfs.ext4 -q "$(pvol one 2)"
mount "$(pvol one 1)" /mnt/pa
mount -o discard "$(pvol one 2)" /mnt/pb

step "load, and a snapshot of the secondary's data"
files_start one /mnt/pa /mnt/pb
far_worth one cut_restored
far_random
check "suspend" dmsetup suspend one-s-1
check "suspend" dmsetup suspend one-s-2
far_cut=$(sstat one cut_restored)
lvm_with /dev/dmo/pv-s
lvm_do "lvcreate -y -s -n shot -L 18m vgs/data" "lvcreate -y -s -n thinshot -kn vgs/thin"
same "nothing was restored meanwhile" "$(sstat one cut_restored)" "$far_cut"
dmsetup resume one-s-1
dmsetup resume one-s-2
wait_for 10 "a later cut is restored" later_restored

step "what the snapshots hold, while it goes on"
check "mount" mount /dev/mapper/vgs-shot /mnt/a
check "mount" mount /dev/mapper/vgs-thinshot /mnt/b
files_check one "$far_cut" /mnt/a /mnt/b
umount /mnt/a /mnt/b
check "fsck" e2fsck -fn /dev/mapper/vgs-shot
check "fsck" e2fsck -fn /dev/mapper/vgs-thinshot
files_stop one
umount /mnt/pa /mnt/pb
session_drain one
session_equal one
session_remove one
pass
