#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a chunk many times larger than the memory budget: slots become references, writes to blocks of the chunk
# that is being sent copy them out or merge the chunks; the budget is kept, and both ends are bit-equal.
# Kernels: 6.12 debug
# Machines: 1
# Cpus: 2
# Limit: 180
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# Look for SECONDS at what the primary holds; keep the maxima.
watch() {
	local end line

	end=$(($(now_ms) + $1 * 1000))
	while [ "$(now_ms)" -lt $end ]; do
		line=$(orderedctl status "$(pmeta one)" --json |
			jq -r '.[0] | "\(.mem_used_bytes) \(.chunk_active.refs + .chunk_older.refs) \(.chunk_active.slots + .chunk_older.slots) \(.volumes[0].copyouts)"')
		read -r mem refs slots copyouts <<< "$line"
		[ "$mem" -le "$max_mem" ] || max_mem=$mem
		[ "$refs" -le "$max_refs" ] || max_refs=$refs
		[ "$slots" -le "$max_slots" ] || max_slots=$slots
	done
}

load_module
max_mem=0 max_refs=0 max_slots=0 copyouts=0
session_make one 1 64 equal=1 budget=2 cycle=1500
events_start

step "a chunk of more than the budget, before there is a link"
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --ops 60 --max 512k --verify --discard 2 --zero 2
watch 1
load_wait "$(pvol one)"
watch 1
[ "$max_refs" -gt 1000 ] || fail "more than 1000 references should be there, there are $max_refs"
echo "ok: $max_refs references, at most $max_slots slots"

step "a few writes while the chunk of references is sent, slowly: copied out"
net_shape "delay 5ms rate 40mbit limit 1000"
load_start "$(pvol one)" --seed "$((SEED + 1))" --lanes 2 --seconds 600 --max 16k --pause 50000 --verify --fua 2
session_link one
for ((i = 0; i < 20 && copyouts == 0; i++)); do
	watch 1
done
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 5000 ] || fail "a write took $load_max_ms ms"
[ "$copyouts" -gt 0 ] || fail "no block was copied out"
echo "ok: $copyouts blocks copied out"

step "load while chunks are sent: merged"
load_start "$(pvol one)" --seed "$((SEED + 2))" --lanes 8 --seconds "$(long 5 60)" --max 64k --min 4k --pause 2000 --verify \
	--fua 2 --flush 2 --discard 2
watch "$(long 5 60)"
load_wait "$(pvol one)"
[ "$load_max_ms" -lt 5000 ] || fail "a write took $load_max_ms ms"
echo "ok: at most $max_mem bytes, $max_refs references, $max_slots slots"
[ "$max_mem" -le $((2 << 20)) ] || fail "memory used was $max_mem, more than the budget"
event_wait 1 ' merge '

step "a smaller budget while it runs, then a larger one"
load_start "$(pvol one)" --seed "$((SEED + 3))" --lanes 8 --seconds 3 --max 64k --pause 2000 --overlap --hot 50
check "1 MiB" orderedctl set "$(pmeta one)" --budget-mib 1
sleep 1
same "it is set" "$(pstat one budget_mib)" 1
max_mem=0
watch 1
[ "$max_mem" -le $((1 << 20)) ] || fail "memory used is $max_mem, more than the new budget"
check "32 MiB" orderedctl set "$(pmeta one)" --budget-mib 32
load_wait "$(pvol one)"
net_shape ""
echo "merges: $(grep -c ' merge ' /run/events || true)"
events_stop
! grep -E '^[^ ]+ error ' /run/events || fail "an event that there is no reason for"

session_drain one
session_equal one
same "all memory of slots is free again" "$(pstat one chunk_active.slots)" 0
session_remove one
pass
