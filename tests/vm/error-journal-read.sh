#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a journal that can't be read: the restore of what isn't in memory waits and says so, and goes on when it can;
# an activation is refused rather than to take the ring for shorter than it is, and works when it can be read.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# bad_ring: no block of the ring can be read. good_ring: all can.
bad_ring() { power_fail one-sm read "$ring" 1000000; }
good_ring() { power_fail one-sm read 0 0; }
committed() { [ "$(sstat one cut_committed.n)" -ge "$1" ]; }
# commit_held: 4 MiB, more than stays in memory, committed but not restored, since the volume is suspended.
commit_held() {
	check "suspend" dmsetup suspend one-s-1
	check "4 MiB" dd if=/dev/urandom of="$(pvol one)" bs=64k count=64 oflag=direct
	cut=$(orderedctl switch "$(pmeta one)"); cut=${cut##*.}
	wait_for 20 "cut $cut is committed" committed "$cut"
	[ "$(sstat one cut_restored.n)" -lt "$cut" ] || fail "restored although suspended"
}

load_module
session_make one 1 8 equal=1 cycle=50 budget=1 mdisk=power pmeta=4 smeta=32
ring=$(($(orderedctl dump "$(smeta one)" --json | jq '[.. | objects | .journal? | objects | .start][0]') * 8))
[ "$ring" -gt 0 ] || fail "where is the ring? $(orderedctl dump "$(smeta one)" --json)"
echo "the ring begins at sector $ring"
events_start
session_link one
session_drain one

step "at the restore"
commit_held
bad_ring
check "resume" dmsetup resume one-s-1
event_wait 10 ' error .*journal, block [0-9]+: read failed'
wait_stat 5 "$(smeta one)" block restore-error
same "consistent" "$(sstat one inconsistent)" false
same "it still has the cut" "$(sstat one cut_committed.n)" "$cut"
good_ring
wait_stat 10 "$(smeta one)" block nothing
session_drain one
session_equal one

step "at recovery"
commit_held
session_unlink one
check "remove, still suspended" dmsetup remove one-s-1
bad_ring
dmesg -C
if orderedctl create --meta "$(smeta one)" --map "1=$(sdata one),one-s-1" --allow-reads > /run/out 2>&1; then
	fail "activated: complete $(sstat one cut_complete), inconsistent $(sstat one inconsistent); $cut was acknowledged as committed"
fi
dmesg | grep -E "journal, block [0-9]+ can't be read" > /dev/null || fail "no reason: $(dmesg | tail -n 3)"
good_ring
session_create one s
[ "$(sstat one cut_committed.n)" -ge "$cut" ] || fail "committed was $cut, is $(sstat one cut_committed.n)"
same "consistent" "$(sstat one inconsistent)" false
session_link one
session_drain one
session_equal one
same "no full copy was needed" "$(grep -cE ' (in)?consistent ' /run/events || true)" 0
session_remove one
events_stop
pass
