#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a primary whose power was cut copies everything again, and both sides say so; until that begins the secondary
# is as good as before, and when it ends the two are equal.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make a 2 2 disk=power mdisk=power pmeta=8 smeta=8 cycle=15
step "cuts"
session_cuts a pri "$(long 20 300)" "$SEED" --hits "$(long 65 80)" --pause 300 --wait 40
session_equal a

step "the last cut: the secondary takes over"
load_start "$(pvol a)" --max 65536 --area 0:1048576 --errors --seconds 60
sleep 1
power_cut a-pm
committed=$(pstat a cut_committed.n)
load_stop "$(pvol a)"
orderedctl disconnect "$(pmeta a)" || true
wait_stat 10 "$(smeta a)" link_state none
session_remove a p
check "promotion" orderedctl promote "$(smeta a)"
same "it is primary" "$(sstat a role)" primary
[ "$(sstat a cut.n)" -ge "$committed" ] || fail "promoted at $(sstat a cut.n), committed was $committed"
check "it can be written" dd if=/dev/zero of="$(svol a)" bs=4k count=16 oflag=direct status=none

step "the old primary can't be active beside it"
power_on a-pm
refused "a second primary" "busy" dmsetup create twin --table \
	"0 $((2 * 2048)) ordered $(pdata a) $(pmeta a) 1"
dmesg | grep "already active here as primary" > /dev/null || fail "the log does not say why"
session_remove a s
pass
