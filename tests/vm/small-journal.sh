#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a chunk larger than the secondary's journal goes in direct mode, with an event, INCONSISTENT until its end
# and promotion refused meanwhile; and a full journal holds the sender back, not the host.
# Kernels: 6.12
# Machines: 1
# Limit: 180
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
events_start
session_make one 1 32 equal=1 smeta=6 cycle=100 sdisk=lin+loop
journal=$(sstat one journal_bytes)
echo "journal of $journal bytes"
[ "$journal" -lt $((8 << 20)) ] || fail "the journal is too large for this test"

step "a chunk larger than the journal"
session_link one
session_drain one
session_unlink one
same "consistent" "$(sstat one inconsistent)" false
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --ops 40 --min 64k --max 1M --verify
load_wait "$(pvol one)"
events_forget
net_shape "delay 2ms rate 10mbit limit 1000"
load_start "$(pvol one)" --seed "$((SEED + 1))" --lanes 4 --seconds 600 --max 64k --pause 20000 --verify --discard 3 --zero 3
session_link one
event_wait 20 ' inconsistent .*larger than the secondary'
if [ "$(sstat one inconsistent)" = true ]; then
	refused "promotion in the middle of it" "INCONSISTENT" orderedctl promote "$(smeta one)"
	same "the primary says so, too" "$(pstat one state)" copying
else
	fail "it was over too soon to be seen"
fi
net_shape ""
session_copied one
event_wait 5 ' consistent '
load_stop "$(pvol one)"
session_drain one
session_equal one
[ "$(sstat one cut_complete)" = "$(pstat one cut)" ] || fail "the cuts differ"

step "a full journal"
events_forget
check "short cycles" orderedctl set "$(pmeta one)" --cycle-ms 20
lower=${S_dev[one-sd1.lower]}
need_module dm-delay
disk_table one-sd1 "0 $((32 * 2048)) delay $lower 0 0 $lower 0 1500"	# every write takes 1.5 s
load_start "$(pvol one)" --seed "$((SEED + 2))" --lanes 4 --seconds 600 --max 64k --pause 5000 --verify --discard 3
wait_stat 30 "$(smeta one)" block journal-full
before=$(pstat one 'volumes[0].writes')
sleep 1
after=$(pstat one 'volumes[0].writes')
[ "$after" -gt "$before" ] || fail "the host's writes stand still"
echo "ok: the host wrote $((after - before)) times while the journal was full"
disk_good one-sd1 "$lower"
wait_stat 30 "$(smeta one)" block nothing
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 5000 ] || fail "a write took $load_max_ms ms"
session_drain one
session_equal one
session_remove one
events_stop
! grep -E '^[^ ]+ error ' /run/events || fail "an event that there is no reason for"
pass
