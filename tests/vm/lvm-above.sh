#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a volume group over two volumes of a session, with a file system striped over both: after a lost link and
# promotion the far side activates it, with all that was done to the group before, and the files are a prefix.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 640

. "$DMO_TOP/tests/vm/lib/far.sh"
. "$DMO_TOP/tests/vm/lib/lvm.sh"

load_module
session_make one 2 20 equal=1 timeout=1000
session_link one
mkdir -p /mnt/p /mnt/s
lvm_with "$(pvol one 1)" "$(pvol one 2)"
lvm_do "pvcreate $(pvol one 1) $(pvol one 2)" "vgcreate -s 1m vg $(pvol one 1) $(pvol one 2)" \
	"lvcreate -y -Wn -Zn -n files -i 2 -I 16k -L 30m vg"
check "mkfs" mkfs.ext4 -q /dev/mapper/vg-files
mount /dev/mapper/vg-files /mnt/p

step "load, and a change to the group"
files_start one /mnt/p
lvm_do "lvcreate -y -Wn -Zn -n late -L 2m vg"
cut=$(orderedctl switch "$(pmeta one)")
wait_for 20 "the change is committed" cut_at "$(smeta one)" cut_committed "$cut"
far_worth one
far_random

step "the link breaks"
net_cut
sleep 0.3
files_stop one
umount /mnt/p
lvm_do "vgchange -an vg"
far_promote one

step "the far side"
lvm_with "$(svol one 1)" "$(svol one 2)"
lvm_do "vgck vg" "lvs --noheadings -o lv_name,lv_size --units m vg"
same "the group has both" "$(paste -sd ' ' <<< "$lvm_out" | tr -s ' ')" " files 30.00m late 2.00m"
lvm_do "vgchange -ay vg"
check "mount" mount /dev/mapper/vg-files /mnt/s
files_check one "$far_cut" /mnt/s
umount /mnt/s
check "fsck" e2fsck -fn /dev/mapper/vg-files
lvm_do "vgchange -an vg"
session_remove one s
pass
