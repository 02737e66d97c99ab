#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a peer that hangs, in each way there is: it is dropped after the link's time-out, or, while it shows life, status
# tells what is waited for; no write at the primary waits, and the right secondary goes on where it was.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"

blocks() { [[ $(pstat one block) =~ ^($1)$ ]]; }

# hang KIND META: start a peer that hangs.
hang() {
	dmopeer "$2" hang "$1" > /run/peer 2>&1 &
	pid=$!
	[ "$1" = silent ] || event_wait 5 ' link-up '
}
unhang() { kill $pid 2>/dev/null || true; wait $pid 2> /dev/null || true; }

load_module
session_make one 1 4 equal=1 cycle=50
events_start
session_link one
session_drain one
session_unlink one
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --seconds 600 --max 64k --pause 1000 --verify --fua 3 --flush 2

step "to a primary"
for kind in silent mute dead; do
	events_forget
	hang $kind "$(pmeta one)"
	event_wait 5 " link-down .*(nothing|hello|handshake|time|said)"
	same "$kind: gone" "$(pstat one link_state)" none
	unhang
done
for kind in deaf:send aimless:peer; do
	events_forget
	hang ${kind%:*} "$(pmeta one)"
	wait_for 5 "${kind%:*}: status says what is waited for" blocks "${kind#*:}"
	sleep 2	# more than two time-outs
	same "${kind%:*}: still there, since it shows life" "$(pstat one link_state)" up
	wait_for 1 "${kind%:*}: status says so" blocks "${kind#*:}"
	[ "$(pstat one lag_ms)" -gt 1500 ] || fail "lag is $(pstat one lag_ms) ms"
	unhang
	wait_stat 5 "$(pmeta one)" link_state none
done
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 1000 ] || fail "a write took $load_max_ms ms"

step "to a secondary"
cut=$(sstat one cut_complete)
for kind in silent dead; do
	events_forget
	hang $kind "$(smeta one)"
	event_wait 5 " link-down "
	same "$kind: gone" "$(sstat one link_state)" none
	unhang
done
same "its boundary" "$(sstat one cut_complete)" "$cut"

step "the right one"
session_link one
session_drain one
session_equal one
same "no full copy was needed" "$(sstat one inconsistent).$(pstat one copy_pending)" false.false
session_remove one
events_stop
pass
