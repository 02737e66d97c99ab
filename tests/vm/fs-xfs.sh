#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: xfs with its log on the session's second volume: when the secondary loses its power under load, it recovers to a
# state that xfs replays, xfs_repair finds nothing, and its files are a prefix of what was fsynced.
# Kernels: 6.12
# Machines: 1
# Limit: 120
# Mem: 768

. "$DMO_TOP/tests/vm/lib/far.sh"

load_module
need_module xfs
session_make one 2 40 equal=1 sdisk=power mdisk=power pmeta=24 smeta=24
session_link one
mkdir -p /mnt/p /mnt/s
# With these words set mkfs.xfs makes file systems of less than 300 MiB.
check "mkfs" env TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 \
	mkfs.xfs -q -l "logdev=$(pvol one 2),size=8m" "$(pvol one 1)"
mount -o "logdev=$(pvol one 2)" "$(pvol one 1)" /mnt/p

step "load"
files_start one /mnt/p
far_worth one
far_random

step "the secondary's plug"
power_cut one-sm
wait_stat 10 "$(pmeta one)" link_state none
sleep 0.3
files_stop one
umount /mnt/p
session_remove one s
power_on one-sm
session_create one s
far_promote one

step "what is there"
check "mount" mount -o "logdev=$(svol one 2)" "$(svol one 1)" /mnt/s
files_check one "$far_cut" /mnt/s
umount /mnt/s
check "xfs_repair finds nothing" xfs_repair -n -l "$(svol one 2)" "$(svol one 1)"
session_remove one s
pass
