#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a host that changes its buffers while writes of them are in flight leaves both ends bit-equal, with the data
# held in memory (slots) and with references.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 180
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# rounds SIZE: scribble with writes up to SIZE, drain, compare; leaves the maxima of slots and references seen.
rounds() {
	local i

	for ((i = 0; i < $(long 4 60); i++)); do
		dmoload scribble "$(pvol one)" --seed "$((SEED + i))" --lanes 2 --seconds 1 --min 4k --max "$1" > /run/scribble &
		scribbler=$!
		while kill -0 $scribbler 2>/dev/null; do
			read -r slots refs <<< "$(orderedctl status "$(pmeta one)" --json |
				jq -r '.[0] | "\(.chunk_active.slots + .chunk_older.slots) \(.chunk_active.refs + .chunk_older.refs)"')"
			[ "$slots" -le "$max_slots" ] || max_slots=$slots
			[ "$refs" -le "$max_refs" ] || max_refs=$refs
		done
		wait $scribbler || fail "the scribbler failed"
		cat /run/scribble
		session_drain one
		session_equal one
	done
}

load_module
session_make one 1 16 equal=1 budget=64 cycle=100
session_link one

step "in slots"
max_slots=0 max_refs=0
rounds 64k
[ "$max_slots" -gt 0 ] || fail "no slot was seen"
same "references seen" "$max_refs" 0

step "in references"
check "1 MiB" orderedctl set "$(pmeta one)" --budget-mib 1
max_slots=0 max_refs=0
rounds 1M
[ "$max_refs" -gt 0 ] || fail "no reference was seen"
echo "ok: at most $max_refs references seen"

step "the test itself: what a buffer held is no use without what the disk holds"
check "one sector of the secondary is changed" dd if=/dev/urandom of="$(sdata one)" bs=512 seek=77 count=1 oflag=direct conv=notrunc
refused "the comparison" "sector 77" dmoload cmp "$(pdata one)" "$(sdata one)"
session_remove one
pass
