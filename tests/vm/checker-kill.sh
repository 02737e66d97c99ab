#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the primary's machine is killed under load at any moment, again and again, at last the secondary is promoted: each
# time its volumes are closed under happens-before, bit for bit the state at the cut that it reports, not older
# than what was committed, and what is lost is no older than allowed: by histories kept outside the machines.
# Kernels: 6.12
# Machines: 2
# Limit: 300
# Mem: 640

primary() { . "$DMO_TOP/tests/vm/lib/checker.sh"; site_primary; }
secondary() { . "$DMO_TOP/tests/vm/lib/checker.sh"; site_secondary; }

host() {
	local n rounds=2 d cut
	. tests/vm/lib/checker.sh

	[ "${LONG:-0}" != 1 ] || rounds=30
	for d in a b; do
		machine_drive $d data1 4M; machine_drive $d data2 4M; machine_drive $d meta 32M
	done
	guest_start b secondary
	for ((n = 1; n <= rounds; n++)); do
		guest_start a primary
		machine_wait a "^BASE" 90
		sleep $((RANDOM % 2)).$((RANDOM % 10))
		machine_kill a
		if [ $n = $rounds ]; then
			machine_tell b promote
			machine_finish b 60
			cut=$(sed -n 's/^PROMOTED //p' "$MACHINE_DIR/b/result")
		else
			machine_tell b look-$n
			machine_wait b "^CUT $n " 60
			cut=$(sed -n "s/^CUT $n //p" "$MACHINE_DIR/b/result")
		fi
		site_look $n "$cut"
	done
	echo "killed $rounds times, B done $looked_b times"
	[ "$looked_b" -ge $((rounds / 2)) ] || host_fail "check B could be done $looked_b times of $rounds"
	scenario_pass
}
