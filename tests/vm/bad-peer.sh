#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a peer that says anything wrong, at any point, loses its link and the status says why; the secondary's data
# and boundary are what they were, and it can still be copied to and promoted.
# Kernels: 6.12 debug
# Machines: 1
# Limit: 300
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# peer META WORD...: a hostile peer; its output on the console.
peer() {
	local out

	out=$(dmopeer "$@" 2>&1) || { echo "$out" | tail -n 30; fail "$(tail -n 1 <<< "$out")"; }
	echo "$out" | tail -n "${PEER_LINES:-100}"
	say "PEER $(tail -n 1 <<< "$out")"
}

load_module
session_make a 2 4 cycle=50 smeta=8
dd if=/dev/urandom of="$(pvol a)" bs=1M count=4 oflag=direct status=none
session_link a
session_copied a
session_drain a
session_unlink a
same "all is restored" "$(sstat a cut_restored.n)" "$(sstat a cut_complete.n)"
before=$(digest "$(sdata a)") before2=$(digest "$(sdata a 2)")

step "to a secondary"
peer "$(smeta a)" cases
same "its data is untouched" "$(digest "$(sdata a)").$(digest "$(sdata a 2)")" "$before.$before2"
same "it says that it can be promoted" "$(sstat a inconsistent)" false
dmesg | grep "link to local socket ended: " > /dev/null || fail "the log says nothing of the links that ended"

step "to a primary"
peer "$(pmeta a)" cases
same "it has no error of its own" "$(pstat a state)" disconnected
check "it writes" dd if=/dev/urandom of="$(pvol a 2)" bs=64k count=8 oflag=direct status=none
session_link a
session_drain a
session_equal a
same "that took no full copy" "$(pstat a copy_pending)" false
session_unlink a

step "a full copy is due"
dmopeer "$(smeta a)" pending & pid=$!
wait_stat 10 "$(smeta a)" link_state up
same "the secondary says so" "$(sstat a copy_pending).$(sstat a inconsistent)" true.false
kill $pid; wait $pid || true
wait_stat 10 "$(smeta a)" link_state none

# 5000 in all three kernels, together
case $DMO_KERNEL in
6.1) n=1750 ;;
6.12) n=1400 ;;
*) n=350 ;;
esac
step "mutations of what a primary says"
PEER_LINES=1 peer "$(smeta a)" fuzz "$(long $n 20000)" "$SEED" "$(svol a)"
same "it says that it can be promoted" "$(sstat a inconsistent)" false

step "mutations of what a secondary says"
check "short cycles" orderedctl set "$(pmeta a)" --cycle-ms 1
PEER_LINES=1 peer "$(pmeta a)" fuzz "$(long $((n * 3 / 7)) 10000)" "$SEED" "$(pvol a)"
check "it writes" dd if=/dev/urandom of="$(pvol a 2)" bs=64k count=8 oflag=direct status=none

step "after all that"
session_link a
session_copied a
session_drain a
session_equal a
session_unlink a
session_remove a p
check "promotion" orderedctl promote "$(smeta a)"
same "its role" "$(sstat a role)" primary
pass
