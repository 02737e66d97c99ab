#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a device that something has open for two seconds does not stop a promotion or a removal; one that stays open
# does, and is named.
# Kernels: 6.12
# Machines: 1
# Limit: 90
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
session_make one 1 16 equal=1
session_link one
session_drain one
session_unlink one
(exec 5< "$(pvol one)"; sleep 2) &
sleep 0.3
check "removal of what is open for 2 s" orderedctl remove one-p-1
wait
(exec sleep 60 5< "$(svol one)") & holder=$!
sleep 0.3
refused "promotion of what stays open names who has it" "sleep|$holder" orderedctl promote "$(smeta one)"
kill $holder
wait $holder 2> /dev/null || true
(exec 5< "$(svol one)"; sleep 2) &
sleep 0.3
check "promotion of what is open for 2 s" orderedctl promote "$(smeta one)"
session_remove one s
unload_module
pass
