#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: one token makes its way through all lanes of two hosts and all volumes, so each write follows the one before
# it: whenever the link is cut, the secondary holds a prefix of that one chain, to the last write at the cut.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768

# Two processes play the hosts, each with two volumes; between them the token is a message over TCP. Both hosts'
# volumes are of one session, until sessions of several hosts switch cycles together.

. "$DMO_TOP/tests/vm/lib/ordered.sh"
. "$DMO_TOP/tests/vm/lib/checker.sh"
ip link set lo up
load_module
session_make a 4 1 cycle=40 pmeta=16 smeta=16
meta_dev=$(lsblk -dno MAJ:MIN "$(pmeta a)" | tr -d ' ')
trace_start trace
session_link a
run=$RANDOM
for h in 0 1; do
	args=()
	[ $h = 1 ] || args=(--mark "500,orderedctl switch $(pmeta a)" --commit "500,orderedctl status $(pmeta a) --dump | cut -f 21")
	work_start "history.$h" --run $run --seed "$((SEED + h))" --ladder --host $h --hosts 2 --lanes 3 --listen "127.0.0.1:900$h" \
		--peer "$((1 - h))=127.0.0.1:900$((1 - h))" --volume "$((2 * h + 1))=$(pvol a $((2 * h + 1)))" \
		--volume "$((2 * h + 2))=$(pvol a $((2 * h + 2)))" --max 32768 --pause 300 --hot 50 --discard 2 --zero 2 --fua 5 --flush 5 "${args[@]}"
done
work_prefilled history.0
work_prefilled history.1
session_copied a
further() { [ "$(pstat a cut_committed.n)" -gt "$1" ]; }
chain=0
for ((n = 1; n <= $(long 3 60); n++)); do
	sleep 0.$((RANDOM % 50 + 20))
	orderedctl disconnect "$(pmeta a)" > /dev/null
	settled "$(smeta a)"
	# both histories as of one moment: one tells of what the other has already
	kill -STOP "$(cat /run/history.0.pid)" "$(cat /run/history.1.pid)"
	args=(--history /outbox/history.0 --history /outbox/history.1 --volume "1=$(sdata a 1)" --volume "2=$(sdata a 2)"
	      --volume "3=$(sdata a 3)" --volume "4=$(sdata a 4)" --cut "$settled_cut")
	look "cut $n, clocks only" "${args[@]}" --tokens-only
	look "cut $n" "${args[@]}" --trace /outbox/trace --dev "$meta_dev" --need-b
	[ "$(looked required)" -gt "$chain" ] || fail "nothing more is there than before cut $n"
	chain=$(looked required)
	kill -CONT "$(cat /run/history.0.pid)" "$(cat /run/history.1.pid)"
	session_link a
	wait_for 20 "a newer commit" further "${settled_cut#*.}"
done
kill "$(cat /run/history.0.pid)"
work_stop history.1
work_stop history.0
grep -q 'away=[1-9][0-9][0-9]' /run/history.0 || fail "the token hardly left the host: $(tail -n 1 /run/history.0)"
trace_stop
session_unlink a
session_remove a
pass
