#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: suspend and resume, table reload, remove and create of a volume under load lose nothing; while a volume of
# the secondary is suspended its data devices stand still at a boundary.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"

more_writes() { [ "$(pstat one 'volumes[0].writes')" -gt "$1" ]; }
other() { [ "$(sstat one "$1")" != "$2" ]; }

load_module
session_make one 2 16 equal=1 cycle=50
session_link one
session_keep_link one
load=(--lanes 4 --discard 3 --zero 3 --fua 5 --flush 5 --verify --max 256k --pause 2000 --seconds 600)
load_start "$(pvol one 1)" --seed "$SEED" "${load[@]}"
load_start "$(pvol one 2)" --seed "$((SEED + 1))" "${load[@]}"

step "suspend, resume and reload at the primary"
table=$(session_table one p 1)
for ((i = 0; i < $(long 3 40); i++)); do
	dmsetup suspend one-p-1
	sleep "0.0$((RANDOM % 9))"
	dmsetup resume one-p-1
	disk_table one-p-$((i % 2 + 1)) "$(session_table one p $((i % 2 + 1)))"
	NOFLUSH=1 disk_table one-p-1 "$table"
	# loaded, and taken back
	dmsetup load one-p-2 --table "$(session_table one p 2)"
	dmsetup clear one-p-2
done
for v in 1 2; do load_runs "$(pvol one $v)" || load_wait "$(pvol one $v)"; done

step "a volume goes and comes, the other one under load"
load_stop "$(pvol one 2)"
for ((i = 0; i < $(long 2 20); i++)); do
	fill "$(pvol one 2)" Q $i 3
	check "remove of volume 2" orderedctl remove one-p-2
	wait_stat 10 "$(pmeta one)" state inactive
	before=$(pstat one 'volumes[0].writes')
	wait_for 10 "writes of volume 1 go on" more_writes "$before"
	session_create one p 2
done
session_keep_stop one
session_linked one
load_stop "$(pvol one 1)"
# less of it: while nothing is restored all of it must fit the journal
load=(--lanes 2 --discard 3 --fua 5 --verify --max 32k --pause 20000 --seconds 600)
for v in 1 2; do load_start "$(pvol one $v)" --seed "$((SEED + 1 + v))" "${load[@]}"; done

step "the secondary, suspended, stands still at a boundary"
for ((i = 0; i < $(long 2 10); i++)); do
	dmsetup suspend one-s-2
	restored=$(sstat one cut_restored)
	blockdev --flushbufs "$(sdata one 1)" "$(sdata one 2)"
	a=$(cat "$(sdata one 1)" "$(sdata one 2)" | md5sum)
	committed=$(sstat one cut_committed)
	wait_for 20 "cuts are committed" other cut_committed "$committed"
	blockdev --flushbufs "$(sdata one 1)" "$(sdata one 2)"
	same "its data devices stand still" "$(cat "$(sdata one 1)" "$(sdata one 2)" | md5sum)" "$a"
	same "at one boundary" "$(sstat one cut_restored)" "$restored"
	[ $i != 0 ] || disk_table one-s-2 "$(session_table one s 2)"	# that resumes, too
	dmsetup resume one-s-2
	wait_for 20 "the restore goes on" other cut_restored "$restored"
done
for v in 1 2; do load_stop "$(pvol one $v)"; done

step "drain"
s_is "$(pmeta one)" link_state up || fail "the link is down: $(pstat one reason)"
session_drain one
session_equal one
session_remove one
pass
