#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: when the power of both ends is cut at one instant, also in the midst of a copy, the secondary is at a
# boundary that it had acknowledged or a newer one, or says that it is INCONSISTENT, and only then.
# Kernels: 6.12
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
S_host=all
session_make a 2 2 disk=power mdisk=power pmeta=8 smeta=8 cycle=15
step "cuts"
session_cuts a both "$(long 30 600)" "$SEED" --hits "$(long 65 80)" --pause 300 --wait 40 --direct 1
session_equal a
session_remove a
pass
