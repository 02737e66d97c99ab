#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: whichever write, FUA write or flush of the secondary's disks fails, at work or in recovery, and if the power
# goes behind it: it says so, nothing is acknowledged that isn't there afterwards, and the host does not notice.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make a 2 2 disk=power mdisk=power pmeta=8 smeta=8 cycle=15 equal=1
step "failures"
session_cuts a fail "$(long 60 2000)" "$SEED" --hits 80 --pause 300 --wait 80
session_equal a
session_remove a
pass
