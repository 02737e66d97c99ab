#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the link cut at random moments under load, in every way a link ends, is made again and nothing is lost;
# the host's writes neither fail nor wait for the network.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"

writes() { pstat one 'volumes[0].writes'; }
# is_up: does the primary say that it replicates? Asked of dmsetup, which is quick.
is_up() { [[ $(dmsetup status one-p-1) == *" primary replicating "* ]]; }
more_writes() { [ "$(writes)" -gt "$1" ]; }

load_module
session_make one 1 16 equal=1 cycle=30 timeout=2000
session_link one
session_keep_link one
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --seconds 600 --pause 1000 --max 128k --hot 30 \
	--discard 3 --zero 3 --fua 3 --flush 3 --verify
events_start

cut_link() {
	case $1 in
	0) link_drop "$(pmeta one)" ;;
	1) link_drop "$(smeta one)" ;;
	2) in_pri ss -K dport = ":${S_port[one]}" > /dev/null ;;
	3) in_sec ss -K state established sport = ":${S_port[one]}" > /dev/null ;;
	esac || true
}

step "$(long 24 500) cuts at random moments"
for ((i = 0; i < $(long 24 500); i++)); do
	wait_for 20 "link up" is_up
	case $((RANDOM % 3)) in	# in the handshake, soon, or in the middle of a chunk
	0) ;;
	1) sleep "0.0$((RANDOM % 9))" ;;
	2) sleep "0.$((RANDOM % 3))" ;;
	esac
	cut_link $((i % 4))
done
cuts=$(grep -c ' link-down ' /run/events) || true
[ "$cuts" -ge 40 ] || fail "both ends should have told of 24 cuts, told $cuts"
echo "ok: $cuts ends of links"

step "the line is dead without a word"
wait_for 20 "link up" is_up
net_cut
for _ in 1 2 3 4; do
	before=$(writes)
	wait_for 5 "the host's writes go on while nothing is acknowledged" more_writes "$before"
	sleep 0.5
done
wait_stat 15 "$(pmeta one)" link_state none
net_join
wait_stat 20 "$(pmeta one)" link_state up

step "cut while it is slow, so that much is in flight"
net_shape "delay 20ms rate 30mbit limit 1000"
for i in 0 1 2 3; do
	wait_for 20 "link up" is_up
	sleep "0.$((RANDOM % 7 + 2))"
	cut_link $i
done
net_shape ""

load_stop "$(pvol one)"
[ "$load_max_ms" -lt 5000 ] || fail "a write took $load_max_ms ms"
events_stop
! grep -E '^[^ ]+ (inconsistent|error) ' /run/events || fail "an event that there is no reason for"
session_keep_stop one
session_linked one
session_drain one
session_equal one
session_remove one
pass
