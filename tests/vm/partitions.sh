#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a GPT on a volume, with partitions mapped by kpartx, one of them at an odd sector: the far side has the same
# table, both copies of it, and what is in the partitions.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 512

. "$DMO_TOP/tests/vm/lib/far.sh"

load_module
session_make one 1 16 equal=1 timeout=1000
session_link one
mkdir -p /mnt/p /mnt/s
vol=$(pvol one)
check "sfdisk" sfdisk -q --no-reread --no-tell-kernel "$vol" <<'T'
label: gpt
first-lba: 34
size=51, start=35, name=odd
size=20001, start=4097, name=files
start=24577, size=2000, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, name=swap
T
table=$(sfdisk -d "$vol" | sed '/^device/d; s/.* : //')
same "three partitions" "$(grep -c name= <<< "$table")" 3
check "kpartx" kpartx -a -n -p -part "$vol"
check "mkfs" mkfs.ext4 -q -b 1024 /dev/mapper/one-p-1-part2
check "mkswap" mkswap -q -U 11111111-2222-4333-8444-555555555555 /dev/mapper/one-p-1-part3
head -c $((51 * 512)) /dev/urandom > /run/odd
check "the first partition" dd if=/run/odd of=/dev/mapper/one-p-1-part1 bs=1536 oflag=direct status=none
mount /dev/mapper/one-p-1-part2 /mnt/p

step "load in a partition"
files_start one /mnt/p --max 20000
far_worth one
far_random
net_cut
sleep 0.3
files_stop one
umount /mnt/p
check "kpartx -d" kpartx -d -n -p -part "$vol"
far_promote one

step "the far side"
vol=$(svol one)
same "the table" "$(sfdisk -d "$vol" | sed '/^device/d; s/.* : //')" "$table"
dd if="$vol" of=/run/entries bs=512 skip=2 count=32 status=none
check "its backup" cmp -i "0:$((16 * 1048576 - 33 * 512))" -n 16384 /run/entries "$vol"
out=$(sfdisk --verify "$vol" 2>&1) || fail "verify: $out"
grep -q "No errors detected" <<< "$out" || fail "verify: $out"
check "kpartx" kpartx -a -n -p -part "$vol"
check "the first partition" cmp /run/odd /dev/mapper/one-s-1-part1
same "the third" "$(blkid -p -s UUID -o value /dev/mapper/one-s-1-part3)" 11111111-2222-4333-8444-555555555555
check "mount" mount /dev/mapper/one-s-1-part2 /mnt/s
files_check one "$far_cut" /mnt/s
umount /mnt/s
check "fsck" e2fsck -fn /dev/mapper/one-s-1-part2
check "kpartx -d" kpartx -d -n -p -part "$vol"
session_remove one s
pass
