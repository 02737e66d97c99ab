#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the link ends before, in the header of, and in the middle of each of the first frames of either direction, or a
# bit of it is flipped: no cut goes back, the secondary stays at a boundary, and a flipped bit ends the link with a reason.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make a 2 2 pmeta=8 smeta=8 cycle=15 equal=1
step "frames"
session_cuts a frames "$(long 144 1440)" "$SEED" --hits 90 --pause 300
session_equal a
session_remove a
pass
