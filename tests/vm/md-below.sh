#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: data devices that are md mirrors: a member fails under load at either side, the host sees nothing, replication goes
# on, a new member is filled meanwhile, and the ends are equal.
# Kernels: 6.1
# Not-debug: it has no raid1
# Machines: 1
# Limit: 150
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# mirror SITE NR: an md device whose members can be made to fail.
mirror() {
	local k

	for k in 1 2; do disk_linear "leg-$1$k" "$(disk_loop "leg-$1$k.dev" 20)" > /dev/null; done
	check "mirror" mdadm --create "/dev/md$2" --run --assume-clean --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none \
		"/dev/mapper/leg-${1}1" "/dev/mapper/leg-${1}2"
	S_dev[one-${1}d1]=/dev/md$2
}

# state NR: [UU] and the like.
state() { grep -A 1 "^md$1 " /proc/mdstat | grep -o '\[[U_]*\]'; }
has_state() { [ "$(state "$1")" = "$2" ]; }

load_module
need_module raid1
mirror p 1
mirror s 2
session_make one 1 16 equal=1 disk=given
events_start
session_link one
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --seconds 600 --pause 4000 --max 64k --read 20 --discard 4 --fua 5 --flush 3 --verify

step "a member of the primary's mirror fails, then one of the secondary's"
sleep 0.5
disk_error leg-p1 "$(readlink -f /dev/dmo/leg-p1.dev)"
wait_for 20 "the member is thrown out" has_state 1 '[_U]'
disk_error leg-s2 "$(readlink -f /dev/dmo/leg-s2.dev)"
wait_for 20 "the member is thrown out" has_state 2 '[U_]'
cut=$(orderedctl switch "$(pmeta one)")
wait_for 20 "replication goes on" cut_at "$(smeta one)" cut_restored "$cut"

step "new members"
for m in "1 p1" "2 s2"; do
	leg=leg-${m#* }
	disk_good "$leg" "$(readlink -f "/dev/dmo/$leg.dev")"
	check "remove" mdadm -q "/dev/md${m% *}" --remove "/dev/mapper/$leg"
	check "zero" mdadm -q --zero-superblock "/dev/mapper/$leg"
	check "add" mdadm -q "/dev/md${m% *}" --add "/dev/mapper/$leg"
done
wait_for 60 "it is filled" has_state 1 '[UU]'
wait_for 60 "it is filled" has_state 2 '[UU]'
load_stop "$(pvol one)"
session_drain one
session_equal one
same "errors that the host's writes met" "$(pstat one 'volumes[0].errors')" 0
if event_seen ' error '; then fail "an error was reported: $(grep ' error ' /run/events)"; fi
events_stop

step "members are equal"
session_remove one
for k in 1 2; do check "stop" mdadm -q --stop /dev/md$k; done
for s in p s; do
	check "members of $s" cmp -i $((1 << 20)) -n $((16 << 20)) /dev/mapper/leg-${s}1 /dev/mapper/leg-${s}2
done
pass
