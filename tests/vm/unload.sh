#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: sessions removed at rest and in the midst of load, of a copy and of a restore leave nothing behind, ten times.
# Kernels: 6.12
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
DMO_QUIET_LOAD=1

net_sites
load_module
session_make a 2 8 cycle=20 smeta=8 create=0

# again MODE: one life of the module, whose end comes in the midst of MODE.
again() {
	local mode=$1 vol

	module_loaded || load_module
	session_create a p
	session_create a s
	[ "$mode" = never-linked ] || session_link a
	vol=$(pvol a)
	case $mode in
	copy)	# the copy is still under way
		session_remove a s ;;
	copy-primary)
		session_remove a p ;;
	rest)
		session_copied a
		session_drain a ;;
	*)
		[ "$mode" = never-linked ] || session_copied a
		load_start "$vol" --max 65536 --discard 5 --zero 5 --flush 2 --errors --seconds 60
		sleep 0.$((RANDOM % 9 + 1))
		;;
	esac
	case $mode in
	load-secondary)		# the primary's load goes on
		session_remove a s
		sleep 0.2 ;;
	restore)		# committed chunks wait, and the restore begins as the end is removed
		dmsetup suspend a-s-2
		sleep 0.5
		dmsetup resume a-s-2
		session_remove a s ;;
	open)
		refused "removing an open volume" "busy|in use|open" dmsetup remove a-p-1 ;;
	esac
	if [ -e "/run/load-${vol##*/}.pid" ]; then
		load_stop "$vol"
		rm -f "/run/load-${vol##*/}.pid"
	fi
	unload_module
}

for mode in $(long "" "rest load copy load-secondary restore") rest load never-linked copy copy-primary load-secondary restore \
	    open load copy; do
	step "$mode"
	again "$mode"
done

step "a module in use stays"
load_module
session_create a p
refused "rmmod" "in use" rmmod dm_ordered
pass
