#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: whatever a secondary's disks lose when its power is cut under load, it recovers to a boundary, never to an
# older one than it acknowledged, and never shows a torn chunk.
# Kernels: 6.1 debug
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make a 2 2 disk=power mdisk=power pmeta=8 smeta=8 cycle=15 equal=1
step "cuts"
cuts=400 wait=30 hits=80
# checking takes its time, and on a busy host 30 ms are too short for anything to be under way
[ "$DMO_KERNEL" != debug ] || cuts=40 wait=100 hits=$(long 65 80)
session_cuts a sec "$(long $cuts 6000)" "$SEED" --hits "$hits" --pause 300 --wait $wait
session_equal a
session_remove a
pass
