#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: two machines see each other; one that loses its power and returns finds on its drive what was
# flushed, and the other sees it again.
# Kernels: 6.1
# Machines: 2
# Limit: 90
# Mem: 512
# Module: no

# What a machine's drive holds is one block, the number of times it was started.
guest() {
	net_machine
	if [ "$DMO_ROLE" = b ]; then
		for word in first second; do
			same "a says its $word word" "$(busybox nc -l -p 7000 -w 60 < /dev/null)" "$word"
			say "HEARD $word"
		done
		return
	fi
	if [ "$DMO_BOOT" = 1 ]; then
		fill "$(drive data)" A 3 1 conv=fsync
		wait_for 30 "b listens" tell first
		say "TOLD first"
		sleep 100000
	fi
	same "the block is there" "$(peek "$(drive data)" 3)" AAAAAAAA
	wait_for 30 "b listens" tell second
}

tell() { echo "$1" | busybox nc -w 5 10.77.0.2 7000; }

host() {
	machine_drive a data 16M qcow2
	guest_start b guest
	guest_start a guest
	machine_wait a "TOLD first" 60
	machine_wait b "HEARD first"
	machine_kill a
	guest_start a guest
	machine_wait b "HEARD second"
	machine_finish a
	machine_finish b
	scenario_pass
}
