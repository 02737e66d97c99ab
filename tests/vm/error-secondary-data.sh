#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: write errors of the secondary's data device, of one write, of a sector and of all of it: the restore says so
# once and tries again, cycles are committed meanwhile and none is lost, by a restart neither; it heals by itself. The
# primary's status says what the secondary suffers from, and since when.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

failed='restore: data device of volume 1: write failed'
errors() { grep -cE "^[^ ]+ error " /run/events || true; }
# committed CUT: is it, and more, acknowledged?
committed() { [ "$(pstat one cut_committed.n)" -ge "$1" ]; }
# commits_go_on: a cycle that is cut now gets committed, whatever the data device does.
commits_go_on() {
	local n

	fill "$(pvol one)" C $((RANDOM % 50)) 1
	n=$(orderedctl switch "$(pmeta one)")
	n=${n##*.}
	wait_for 10 "cut $n is committed" committed "$n"
}

load_module
session_make one 1 16 equal=1 cycle=50 sdisk=lin+power
lower=${S_dev[one-sd1.lower]}
events_start
session_link one
session_drain one

same "the peer is well" "$(pstat one peer_condition)" good

step "one write"
power_fail one-sd1.dev write 1
fill "$(pvol one)" A 100 8
event_wait 10 " error .*$failed"
wait_stat 5 "$(smeta one)" block restore-error
wait_stat 5 "$(pmeta one)" peer_condition restore-error
event_wait 5 ' peer .*one of its data devices fails'
ms=$(pstat one peer_condition_ms)
[ "$ms" -lt 10000 ] || fail "the peer has suffered for $ms ms"
commits_go_on
same "no point in time was lost" "$(sstat one inconsistent)" false
wait_stat 10 "$(smeta one)" block nothing
wait_stat 5 "$(pmeta one)" peer_condition good
session_drain one
same "what was written" "$(peek "$(sdata one)" 103)" AAAAAAAA
same "events of it" "$(errors)" 1

step "a sector"
events_forget
disk_error one-sd1 "$lower" 1600 8	# block 200
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --seconds 600 --max 64k --pause 3000 --verify --fua 3 --discard 3 --zero 3
event_wait 10 " error .*$failed"
restored=$(sstat one cut_restored.n)
commits_go_on
commits_go_on
complete=$(sstat one cut_complete.n) committed=$(pstat one cut_committed.n)
[ "$complete" -gt $((restored + 1)) ] || fail "no chunk waits: complete $complete, restored $restored"
session_remove one s
session_create one s
[ "$(sstat one cut_complete.n)" -ge "$complete" ] || fail "boundary $complete became $(sstat one cut_complete.n)"
[ "$(sstat one cut_committed.n)" -ge "$committed" ] || fail "commit $committed became $(sstat one cut_committed.n)"
echo "ok: cut $committed, acknowledged, is there after a restart"
same "consistent all the time" "$(sstat one inconsistent)" false
session_link one
wait_stat 10 "$(pmeta one)" peer_condition restore-error
disk_good one-sd1 "$lower"
wait_stat 10 "$(smeta one)" block nothing

step "all of it"
disk_error one-sd1 "$lower"
wait_stat 10 "$(smeta one)" block restore-error
commits_go_on
refused "a read of it" "Input/output error" dd if="$(svol one)" of=/dev/null bs=4k count=1 iflag=direct
disk_good one-sd1 "$lower"
wait_stat 10 "$(smeta one)" block nothing
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 3000 ] || fail "a write took $load_max_ms ms"
session_drain one
session_equal one
same "no full copy was needed" "$(grep -cE ' (in)?consistent ' /run/events || true)" 0

step "promotion"
disk_error one-sd1 "$lower"
commits_go_on
committed=$(pstat one cut_committed.n)
session_remove one p
refused "promotion" "data device of volume 1" orderedctl promote "$(smeta one)"
same "its role" "$(sstat one role)" secondary
disk_good one-sd1 "$lower"
check "promotion" orderedctl promote "$(smeta one)"
[ "$(sstat one cut.n)" -ge "$committed" ] || fail "promoted at $(sstat one cut.n), committed was $committed"
check "it has all that the primary had" dmoload cmp "$(pdata one)" "$(svol one)"
session_remove one s
events_stop
pass
