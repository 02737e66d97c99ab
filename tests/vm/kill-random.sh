#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: either machine, or both, killed and started again at random, 10 kills in all (200), on raw and qcow2 drives, under
# load: at each look the secondary has a gapless prefix of the numbered writes, no commit is lost, and the end is equal.
# Kernels: 6.1
# Machines: 2
# Limit: 600
# Mem: 512

. tests/vm/lib/pair.sh

killed() {
	machine_kill "$1"
	kills=$((kills + 1))
}

host() {
	local kills=0 acked=0.0 wanted b_killed

	wanted=${KILLS:-$([ "${LONG:-0}" = 1 ] && echo 200 || echo 10)}
	RANDOM=$((${SEED:-1} % 32768))
	pair_drives
	pair_start b
	pair_boot a
	pair_up b
	while [ $kills -lt "$wanted" ]; do
		b_killed=0
		# most kills come when something was committed since the last
		for _ in {1..60}; do [ "$(pair_acked)" = "$acked" ] || break; sleep 0.1; done
		sleep "$((RANDOM % 2)).$((RANDOM % 10))"
		case $((RANDOM % 6)) in
		0) killed b; b_killed=1 ;;
		1) killed a ;;
		*)	# one is gone a moment longer than the other
			killed b; b_killed=1
			[ $((RANDOM % 2)) = 0 ] || sleep "0.$((RANDOM % 10))"
			killed a ;;
		esac
		acked=$(pair_acked)
		machine_running b || pair_start b
		machine_running a || pair_boot a
		pair_up b
		[ "$b_killed" = 0 ] || pair_kept "$acked"
	done
	pair_end
	echo "$kills kills, $retries boots retried"
	scenario_pass
}
