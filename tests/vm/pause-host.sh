#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a whole host stopped for longer than every time-out and resumed: the other drops the link and goes on, a new link
# is made; and of a primary that was away while the secondary was promoted, nothing is applied any more.
# Kernels: 6.12
# Machines: 2
# Limit: 240
# Mem: 512

PAIR_TIMEOUT=1500
. tests/vm/lib/pair.sh

# tell_links: say what becomes of the link, each time that changes.
tell_links() {
	local now was=''

	while sleep 0.2; do
		now=$(orderedctl status "$(drive meta)" --json 2>/dev/null | jq -r '.[0] | "\(.link_state) \(.reason)"') || now=''
		[ "$now" = "$was" ] || say "LINK $now"
		was=$now
	done
}

watched_primary() {
	tell_links &
	pair_primary
}

watched_secondary() {
	tell_links &
	teller=$!
	pair_setup secondary
	pair_log "BOOT $(status_field "$meta" cut_committed)"
	say "UP"
	orderedctl listen "$meta" 7788 --keep >> /outbox/keep 2>&1 &
	listener=$!
	while [ ! -e /outbox/told-promote ]; do
		pair_look
		sleep 0.3
	done
	kill $listener; wait $listener 2>/dev/null || true
	check "promote" orderedctl promote "$meta"
	say "PROMOTED $(status_field "$meta" cut)"
	out=$(dmoseq check "$data1" "$data2") || fail "at promotion: $out"
	pair_log "AT $(status_field "$meta" cut) $out"
	before=$(digest "$data1").$(digest "$data2")
	orderedctl listen "$meta" 7788 --keep >> /outbox/keep 2>&1 &
	listener=$!
	heed resumed 60
	sleep 5		# more than two time-outs, in which it tries again and again
	same "nothing of the old primary was applied" "$(digest "$data1").$(digest "$data2")" "$before"
	same "still primary" "$(status_field "$meta" role)" primary
	kill $listener $teller
	wait
	say "UNTOUCHED"
}

links() { grep -cE "^LINK up" "$MACHINE_DIR/$1/result" || true; }

ends() { grep -cE "^LINK none" "$MACHINE_DIR/$1/result" || true; }
# numbers: what a says it has written
numbers() { sed -n 's/^CUT [^ ]* //p' "$MACHINE_DIR/a/log" | tail -n 1 | grep . || echo 0; }

host() {
	local n

	pair_drives
	guest_start b watched_secondary
	guest_start a watched_primary
	machine_wait a "^LINK up" 60
	sleep 1

	echo "the secondary stops"
	machine_pause b
	machine_wait a "^LINK none .*took and sent nothing|^LINK none .*nothing" 30
	n=$(numbers)
	for _ in {1..300}; do [ "$(numbers)" -gt "$n" ] && break; sleep 0.1; done
	[ "$(numbers)" -gt "$n" ] || host_fail "a stood still while b was stopped"
	machine_resume b
	for _ in {1..200}; do [ "$(links a)" -ge 2 ] && break; sleep 0.1; done
	[ "$(links a)" -ge 2 ] || host_fail "no new link"
	sleep 1

	echo "the primary stops"
	n=$(ends b)
	machine_pause a
	for _ in {1..200}; do [ "$(ends b)" -gt "$n" ] && break; sleep 0.1; done
	[ "$(ends b)" -gt "$n" ] || host_fail "b still has a link to a host that is stopped"
	machine_tell b promote
	machine_wait b "^PROMOTED" 30
	machine_resume a
	machine_tell b resumed
	machine_wait a "^LINK none .*(two primaries|diverged|primary)" 60
	machine_finish b 60
	judged=$(pair_judge) || host_fail "$judged"
	echo "$judged"
	scenario_pass
}
