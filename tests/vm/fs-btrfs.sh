#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: btrfs over two volumes, data and metadata as raid1: after a lost link and promotion it mounts, scrub and check
# find nothing, and its files are a prefix of what was fsynced.
# Kernels: 6.12
# Not-debug: it has no btrfs
# Machines: 1
# Limit: 120
# Mem: 768

. "$DMO_TOP/tests/vm/lib/far.sh"

load_module
need_module btrfs
session_make one 2 128 equal=1 timeout=1000
session_link one
mkdir -p /mnt/p /mnt/s
check "mkfs" mkfs.btrfs -q -d raid1 -m raid1 "$(pvol one 1)" "$(pvol one 2)"
mount -o "device=$(pvol one 2)" "$(pvol one 1)" /mnt/p

step "load"
files_start one /mnt/p
far_worth one
far_random

step "the link breaks"
net_cut
sleep 0.3
files_stop one
umount /mnt/p
far_promote one
check "its former devices are forgotten" btrfs device scan --forget

step "what is there"
check "mount" mount -o "device=$(svol one 2)" "$(svol one 1)" /mnt/s
files_check one "$far_cut" /mnt/s
out=$(btrfs scrub start -B /mnt/s 2>&1) || fail "scrub: $out"
grep -q "no errors found" <<< "$out" || fail "scrub: $out"
same "errors counted" "$(btrfs device stats /mnt/s | awk '{ n += $2 } END { print NR, n }')" "10 0"
umount /mnt/s
check "btrfs check finds nothing" btrfs check "$(svol one 1)"
session_remove one s
pass
