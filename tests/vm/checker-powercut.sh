#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: after power cuts of the secondary, and of both ends, the secondary has a set of writes closed under
# happens-before, bit for bit the state at the cut that it reports, and nothing that was committed is missing: says
# a checker that knows histories and trace only.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 300
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
. "$DMO_TOP/tests/vm/lib/checker.sh"

lives=$(long 2 20) cuts=$(long 3 20)
hits=0 total=0 checked=0 lost_max=0 was=0

# Did the cut catch anything unflushed?
count_hit() {
	local is

	is=$(dmsetup status --target powercut | awk '{ n += $(NF - 1) } END { print n }')
	total=$((total + 1))
	[ "$is" = "$was" ] || hits=$((hits + 1))
	was=$is
}

# cut_soon: the secondary's power, in the midst of what it does.
cut_soon() {
	local disk=a-sd$((1 + RANDOM % 2)) after=$((1 + RANDOM % (2 << RANDOM % 7))) i

	[ $((RANDOM % 2)) = 0 ] || { disk=a-sm; after=$((1 + RANDOM % 6)); }
	dmsetup message $disk 0 cutafter $after $RANDOM$RANDOM $((RANDOM % 100))
	for ((i = 0; i < 25; i++)); do
		! dmsetup status $disk | grep -q ' off ' || return 0
		sleep 0.02
	done
	power_cut $disk $((RANDOM % 100))
}

# examine WHAT N ARGUMENT...: the secondary has come back, of life N of the primary.
examine() {
	settled "$(smeta a)"
	look "$1" --history "/outbox/history.$2" --trace "/outbox/trace.$2" --dev "$meta_dev" --need-b --cut "$settled_cut" \
		--volume "1=$(sdata a 1)" --volume "2=$(sdata a 2)" "${@:3}"
	checked=$((checked + 1))
	[ "$(looked oldest_lost_ms)" -le "$lost_max" ] || lost_max=$(looked oldest_lost_ms)
}

further() { [ "$(pstat a cut_committed.n)" -gt "${settled_cut#*.}" ]; }

load_module
session_make a 2 2 disk=power mdisk=power pmeta=16 smeta=16 cycle=40
meta_dev=$(lsblk -dno MAJ:MIN "$(pmeta a)" | tr -d ' ')
for ((life = 1; life <= lives; life++)); do
	step "life $life of the primary"
	trace_start "trace.$life"
	work_start "history.$life" --seed "$((SEED + life))" --volume "1=$(pvol a 1)" --volume "2=$(pvol a 2)" \
		--max 65536 --pause 5000 --discard 3 --zero 3 --fua 10 --flush 5 --errors-ok \
		--mark "600,orderedctl switch $(pmeta a)" --commit "400,orderedctl status $(pmeta a) --dump | cut -f 21"
	session_link a
	work_prefilled "history.$life"
	session_copied a
	for ((i = 1; i <= cuts; i++)); do
		sleep 0.$((RANDOM % 40 + 10))
		cut_soon
		[ $i -lt "$cuts" ] || power_cut a-pm $((RANDOM % 100))
		count_hit
		orderedctl disconnect "$(pmeta a)" > /dev/null 2>&1 || true
		[ $i -lt "$cuts" ] || { work_stop "history.$life"; trace_stop; session_remove a p; power_on a-pm; }
		session_remove a s
		power_on a-sm
		session_create a s
		if [ $i = "$cuts" ]; then
			examine "cut $life.$i, both" "$life" --rpo 10000
			break
		fi
		examine "cut $life.$i" "$life"
		session_link a
		wait_for 20 "a newer commit" further
	done
	[ "$life" = "$lives" ] || session_create a p
done
say "CHECKED cuts=$total hits=$hits checked=$checked oldest_lost_ms=$lost_max"
[ $((hits * 100)) -ge $((total * 80)) ] || fail "only $hits of $total cuts hit something unflushed"
session_remove a s
pass
