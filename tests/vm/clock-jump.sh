#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the wall clock a year ahead, then two years back, under load: no link is lost, no cycle late, no write waits;
# only the time that a cut bears is another.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"

more_commits() { [ "$(sstat one cut_committed.n)" -gt $((committed + 10)) ]; }
# year: of the newest committed cut
year() { orderedctl status "$1" | sed -n 's/.*newest committed cut is of \(....\)-.*/\1/p'; }

load_module
session_make one 1 4 equal=1 cycle=50 timeout=1500
events_start
session_link one
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --seconds 600 --max 64k --pause 2000 --verify --fua 3
now=$(date +%Y)
for y in $((now + 1)) $((now - 1)) "$now"; do
	step "in $y"
	date -s "$y-$(date +%m-15)" > /dev/null
	committed=$(sstat one cut_committed.n)
	wait_for 4 "ten more commits" more_commits
	lag=$(pstat one lag_ms)
	[ "$lag" -lt 1500 ] || fail "lag is $lag ms"
	same "the primary's time of the cut" "$(year "$(pmeta one)")" "$y"
	same "the secondary's" "$(year "$(smeta one)")" "$y"
	[ "$(pstat one link_since_ms)" -lt 100000 ] || fail "link up since $(pstat one link_since_ms) ms"
done
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 1000 ] || fail "a write took $load_max_ms ms"
session_drain one
session_equal one
step "over a restart"
date -s "$((now - 1))-06-15" > /dev/null
cut=$(sstat one cut_committed)
session_remove one s
session_create one s
same "the committed cut" "$(sstat one cut_committed)" "$cut"
session_link one
fill "$(pvol one)" T 3 1
session_drain one
same "the time" "$(year "$(smeta one)")" "$((now - 1))"
session_equal one
same "nothing happened" "$(grep -cE ' (inconsistent|merge|error) ' /run/events || true)" 0
session_remove one
events_stop
pass
