#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: whichever allocation fails, call by call in every command and at random in every thread under load: a
# command fails cleanly or not at all and works when it is given again, no host I/O fails, nothing leaks, and both
# ends are bit-equal.
# Kernels: debug
# Machines: 1
# Limit: 300
# Mem: 768
# Expect-log: \] Call Trace:
# Expect-log: kmemleak: [0-9]+ new suspected memory leaks
# The kernel tells of a slab cache or a vmalloc that failed with a call trace; of defects, more than that. kmemleak's
# report is looked at in the scenario: some are the kernel's own.

. "$DMO_TOP/tests/vm/lib/ordered.sh"
. "$DMO_TOP/tests/vm/lib/fault.sh"

# nth OPERATION [OPTION...]: each allocation of it fails once.
nth() {
	local out

	out=$(dmofailnth a 2 "$@" 2>&1) || { echo "$out"; fail "$(tail -n 1 <<< "$out")"; }
	say "$out"
	dmsetup mknodes > /dev/null 2>&1 || true
}

# Those who keep the link are no part of what is tested here: one that has ended is told of, and begun anew.
keepers_again() {
	local pid gone=0

	while read -r pid; do kill -0 "$pid" 2> /dev/null || gone=1; done < /run/keep-a.pids
	[ $gone = 1 ] || return 0
	say "KEEPER ended: $(tail -qn 2 /run/keep-p-a /run/keep-s-a | paste -sd '|')"
	while read -r pid; do kill "$pid" 2> /dev/null || true; wait "$pid" || true; done < /run/keep-a.pids
	session_keep_link a
}

# 6.1 leaks the name of a slab cache whose directory in sysfs can't be made.
# shellcheck disable=SC2034 # guest.sh looks at it
foreign_leak=sysfs_slab_add

load_module
session_make a 2 2 cycle=50 smeta=8 budget=8

# Most of what is allocated when a table is loaded and activated are the elements of pools: some of them will do.
some=(--every "$(long 29 1)" --seed "$SEED")
for op in create reload remove; do
	for end in p s; do
		step "$op-$end"
		nth $op-$end "${some[@]}"
	done
done
for op in status set link unlink; do
	for end in p s; do
		step "$op-$end"
		nth $op-$end
	done
done
step "threads that can't be made"
for op in create-p create-s link-p link-s; do
	nth $op --task 2 --every "$(long 5 1)" --seed "$SEED"
done

step "reads, writes, flushes, with a link"
session_link a
session_copied a
nth io
session_drain a
session_equal a
load_start "$(pvol a 2)" --seed "$SEED" --seconds 600 --max 16k --pause 2000
nth switch
load_stop "$(pvol a 2)"
session_drain a
session_equal a

step "load and link cuts while every thread of the module is short of memory"
session_unlink a
session_keep_link a
for percent in 3 30; do
	load_start "$(pvol a)" --seed "$SEED" --seconds 600 --max 64k --verify --discard 3 --zero 3 --fua 2 --flush 2 --hot 30
	load_start "$(pvol a 2)" --seed "$SEED" --seconds 600 --max 16k --overlap --pause 1000
	fault_memory $percent
	for ((i = 0; i < $(long 3 30); i++)); do
		sleep 2
		link_drop "$(pmeta a)" || true
		sleep 0.5
		orderedctl status > /dev/null 2>&1 || true
	done
	fault_memory_off
	load_stop "$(pvol a)"
	load_stop "$(pvol a 2)"
	keepers_again
	wait_for 30 "a link again" s_is "$(pmeta a)" link_state up
	session_drain a 120
	session_equal a
done
session_keep_stop a
orderedctl disconnect "$(pmeta a)" > /dev/null 2>&1 || true

step "promotion, with a chunk that is committed and not restored"
session_linked a
session_copied a
dmsetup suspend a-s-1
fill "$(pvol a)" x 10 20
check "switch" orderedctl switch "$(pmeta a)"
sleep 1
session_unlink a
nth create-s "${some[@]}"
nth promote --every "$(long 5 1)" --seed "$SEED"
pass
