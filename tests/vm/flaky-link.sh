#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: over a line that loses, reorders, duplicates, corrupts, is slow, or is dead in one direction: cycles get through
# where anything does, each is a boundary, no write at the primary waits, and in the end both sides are equal.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

committed() { sstat one cut_committed | sed 's/.*\.//'; }
more_commits() { [ "$(committed)" -ge $((before + 3)) ]; }
writes() { pstat one 'volumes[0].writes'; }

load_module
session_make one 1 8 equal=1 cycle=50 timeout=1500
session_link one
session_keep_link one
load_start "$(pvol one)" --seed "$SEED" --lanes 2 --seconds 600 --max 32k --pause 5000 --hot 50 --verify --fua 3 --flush 3

for shape in "delay 3ms 2ms loss 3%" "delay 4ms reorder 25% 50%" "duplicate 30%" "delay 1ms corrupt 3%" \
	"delay 10ms rate 20mbit limit 200"; do
	step "$shape"
	net_shape "$shape"
	before=$(committed)
	wait_for 20 "three more cycles" more_commits
	net_shape ""
done

for end in pri sec; do
	step "what $end says is lost"
	check "one direction is dead" tc -n $end qdisc add dev eth0 root netem loss 100%
	before=$(writes)
	wait_stat 10 "$(pmeta one)" link_state none
	[ "$(writes)" -gt "$before" ] || fail "the host's writes stand still"
	check "it works again" tc -n $end qdisc del dev eth0 root
	wait_stat 20 "$(pmeta one)" link_state up
done
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 1500 ] || fail "a write took $load_max_ms ms"
session_keep_stop one
session_linked one
session_drain one
session_equal one
session_remove one

step "every state there is a boundary"
session_make a 2 2 pmeta=8 smeta=8 cycle=15 equal=1
ip link set lo up
check "a bad line" tc qdisc add dev lo root netem delay 1ms 1ms loss 2% duplicate 5% corrupt 1%
session_cuts a link "$(long 16 200)" "$SEED" --pause 500
check "a good one" tc qdisc del dev lo root
session_equal a
session_remove a
pass
