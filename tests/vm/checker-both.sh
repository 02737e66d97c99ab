#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: both machines are killed at one moment, and of the secondary's drives what was not flushed is lost (new
# clusters of qcow2): what it recovers is closed under happens-before, bit for bit the state at the cut that it
# reports, not older than what was committed.
# Kernels: 6.1
# Machines: 2
# Limit: 300
# Mem: 640

primary() { . "$DMO_TOP/tests/vm/lib/checker.sh"; site_primary; }
secondary() { . "$DMO_TOP/tests/vm/lib/checker.sh"; site_secondary; }

host() {
	local n rounds=1 d cut
	. tests/vm/lib/checker.sh

	[ "${LONG:-0}" != 1 ] || rounds=20
	for d in data1:4M data2:4M meta:32M; do
		machine_drive a "${d%:*}" "${d#*:}"
	done
	for ((n = 1; n <= rounds; n++)); do
		for d in data1:4M data2:4M meta:32M; do
			[ $n != 1 ] || machine_drive b "${d%:*}" "${d#*:}" qcow2
		done
		guest_start b secondary
		guest_start a primary
		machine_wait a "^BASE" 90
		sleep $((RANDOM % 2)).$((RANDOM % 10))
		machine_kill b
		machine_kill a
		rm -f "$MACHINE_DIR"/b/told-*
		guest_start b secondary
		machine_wait b "^READY" 60
		if [ $n = $rounds ]; then
			machine_tell b promote
			machine_finish b 60
			cut=$(sed -n 's/^PROMOTED //p' "$MACHINE_DIR/b/result")
		else
			machine_tell b look-1
			machine_wait b "^CUT 1 " 60
			cut=$(sed -n "s/^CUT 1 //p" "$MACHINE_DIR/b/result")
			machine_kill b
		fi
		for d in data1 data2; do
			qemu-img convert -O raw "$MACHINE_DIR/b.$d.img" "$MACHINE_DIR/raw.$d.img"
		done
		site_look $n "$cut" --volume "1=$MACHINE_DIR/raw.data1.img" --volume "2=$MACHINE_DIR/raw.data2.img"
	done
	echo "killed $rounds times, B done ${looked_b:-0} times"
	scenario_pass
}
