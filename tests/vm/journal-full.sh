#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a ring full of committed cycles whose restore is held, by a suspend or a dead data device, longer than the
# link's time-out: status says why, the link stays, no write at the primary waits or fails, and after it all is equal.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

writes() { pstat one 'volumes[0].writes'; }
is_full() { [ $(($(sstat one journal_used_bytes) * 100)) -gt $(($(sstat one journal_bytes) * 90)) ]; }

# held SECONDS: meanwhile the host writes, and what is complete stands still.
held() {
	local end before now complete

	end=$(($(now_ms) + $1 * 1000)) before=$(writes)
	complete=$(sstat one cut_complete.n)
	while [ "$(now_ms)" -lt "$end" ]; do
		sleep 0.5
		now=$(writes)
		[ "$now" -gt "$before" ] || fail "the host's writes stand still"
		before=$now
	done
	[ "$(sstat one cut_complete.n)" -le $((complete + 2)) ] || fail "the ring isn't full"
}

# caught_up WHAT: all is well again, and nothing has happened.
caught_up() {
	load_stop "$(pvol one)"
	wait_stat 30 "$(smeta one)" block nothing
	[ "$load_max_ms" -lt 1000 ] || fail "$1: a write took $load_max_ms ms"
	session_drain one
	session_equal one
	same "$1: no link was lost, no copy made" "$(grep -cE ' (link-down|inconsistent|merge) ' /run/events || true)" 0
}

load_module
# 2 MiB in all: a cycle always fits the ring
session_make one 1 2 equal=1 cycle=20 smeta=8 timeout=1000 sdisk=lin+loop
lower=${S_dev[one-sd1.lower]}
events_start
session_link one
session_drain one
load=(--lanes 4 --seconds 600 --min 4k --max 64k --pause 4000 --verify --fua 3 --flush 3 --discard 2)

step "restore held by a suspend"
check "suspend" dmsetup suspend one-s-1
load_start "$(pvol one)" --seed "$SEED" "${load[@]}"
wait_for 30 "the ring is full" is_full
same "what blocks" "$(sstat one block)" suspended
held 3
same "the primary says what it waits for" "$(pstat one block | grep -cE '^(send|peer)$')" 1
[ "$(pstat one lag_ms)" -ge 3000 ] || fail "lag is $(pstat one lag_ms) ms"
check "resume" dmsetup resume one-s-1
caught_up "suspend"

step "restore held by a dead data device"
disk_error one-sd1 "$lower"
load_start "$(pvol one)" --seed "$((SEED + 1))" "${load[@]}"
wait_for 30 "the ring is full" is_full
same "what blocks" "$(sstat one block)" restore-error
held 3
disk_good one-sd1 "$lower"
caught_up "dead device"
session_remove one
events_stop
pass
