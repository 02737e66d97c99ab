#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the memory budget made smaller and larger, again and again, under load and with the link cut: what is used is
# never more than a hundredth above it, no write waits for it, and when the volumes are gone nothing is in use.
# Kernels: 6.12
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

used() { pstat one mem_used_bytes; }
within() { [ "$(used)" -le "$1" ]; }
# objects: those in use of the module's slab caches; what CPUs keep for themselves is given back first.
objects() {
	local cache

	for cache in /sys/kernel/slab/dm_ordered*; do echo 1 > "$cache/shrink"; done
	awk '/^dm_ordered/ { n += $2; caches++ } END { print caches ? n : "no caches" }' /proc/slabinfo
}
none_left() { [ "$(objects)" = 0 ]; }

load_module
session_make one 2 16 equal=1 cycle=100 budget=8
session_link one
for v in 1 2; do
	load_start "$(pvol one $v)" --seed "$((SEED + v))" --lanes 2 --seconds 600 --min 4k --max 128k --pause 4000 --verify --fua 2 --flush 2 --discard 2
done
events_start
over=0
for ((i = 0; i < $(long 8 200); i++)); do
	mib=$((1 << RANDOM % 5))
	[ $((i % 4)) != 3 ] || session_unlink one
	check "budget $mib MiB" orderedctl set "$(pmeta one)" --budget-mib $mib
	wait_for 5 "within the new budget" within $((mib << 20))
	for _ in 1 2 3; do
		mem=$(used)
		[ "$mem" -le $(((mib << 20) + (mib << 20) / 100)) ] || fail "budget is $mib MiB, used are $mem bytes"
		[ "$mem" -le $((mib << 20)) ] || over=$((over + 1))
	done
	[ $((i % 4)) != 3 ] || session_link one
done
echo "seen above the budget, by less than a hundredth: $over"
for v in 1 2; do
	load_stop "$(pvol one $v)"
	[ "$load_max_ms" -lt 2000 ] || fail "a write took $load_max_ms ms"
done
session_drain one
session_equal one
[ "$(objects)" -gt 0 ] || fail "nothing was in use"
session_remove one
wait_for 5 "no object is in use" none_left
events_stop
same "no error" "$(grep -cE '^[^ ]+ error ' /run/events || true)" 0
pass
