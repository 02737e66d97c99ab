#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a secondary whose power is cut, and again in the recovery or restore that follows, three deep, comes to a
# boundary that is not older than it acknowledged, each time.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make a 2 2 disk=power mdisk=power pmeta=8 smeta=8 cycle=15 equal=1
step "cuts"
session_cuts a sec "$(long 100 2000)" "$SEED" --deep 3 --hits 80 --pause 300 --wait 40
session_equal a
session_remove a
pass
