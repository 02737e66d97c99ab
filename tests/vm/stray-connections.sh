#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: whoever connects to the port and says nothing (a scanner, a balancer's health check, the half of a connection
# that a dead host left) does not keep the peer out for longer than a moment: neither before a link nor after one is lost.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 512

. "$DMO_TOP/tests/vm/lib/ordered.sh"

port=7790
strays=()
stray() {
	ip netns exec pri bash -c "exec 5<>/dev/tcp/10.77.0.2/$port; exec sleep 300" > /dev/null 2>&1 &
	strays+=($!)
}
strays_off() { kill "${strays[@]}" 2>/dev/null || true; wait "${strays[@]}" 2>/dev/null || true; strays=(); }
# soon WHAT: a link within 15 s; says how long it took.
soon() {
	local start; start=$(now_ms)

	while ! s_is "$(pmeta one)" link_state up; do
		[ $(($(now_ms) - start)) -lt 15000 ] || { bad+="; $1: no link after 15 s: $(tail -n 1 /run/listen)"; return 0; }
		sleep 0.2
	done
	say "RESULT $1: $(($(now_ms) - start)) ms"
}

load_module
session_make one 1 8 equal=1 timeout=10000
bad=''
ip netns exec sec orderedctl listen "$(smeta one)" "10.77.0.2:$port" --keep > /run/listen 2>&1 &
listener=$!
wait_for 10 "somebody listens" s_listening $port

step "three that say nothing, then the peer"
for _ in 1 2 3; do stray; done
sleep 1
ip netns exec pri orderedctl connect "$(pmeta one)" "10.77.0.2:$port" --keep > /run/connect 2>&1 &
connector=$!
soon "before the first link"
strays_off
wait_stat 90 "$(pmeta one)" link_state up
session_drain one

step "five while a link is up, then it is lost"
for _ in 1 2 3 4 5; do stray; done
sleep 1
check "lose it" link_drop "$(pmeta one)"
soon "after a lost link"
strays_off
wait_stat 90 "$(pmeta one)" link_state up
session_drain one
kill $listener $connector
wait $listener $connector || true
session_remove one
[ -z "$bad" ] || fail "${bad#; }"
pass
