#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: writes of the far data device or of the far journal that take 400 ms each make the secondary late, and no
# write at the primary; a slow disk at the primary is waited for by the writes to it, and by nothing else.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# slow NAME MS, fast NAME: each write of the disk takes so long.
slow() {
	local lower=${S_dev[$1.lower]} size

	need_module dm-delay
	size=$(blockdev --getsz "$lower")
	disk_table "$1" "0 $size delay $lower 0 0 $lower 0 $2"
}
fast() { disk_good "$1" "${S_dev[$1.lower]}"; }
lag_above() { [ "$(pstat one lag_ms)" -gt "$1" ]; }
behind() { [ "$(sstat one cut_restored.n)" -lt "$(sstat one cut_committed.n)" ]; }

load_module
session_make one 1 4 equal=1 cycle=20 disk=lin+loop mdisk=lin+loop pmeta=8 smeta=32 timeout=3000
events_start
session_link one
session_drain one
load=(--lanes 4 --seconds 600 --min 4k --max 32k --pause 3000 --verify --fua 3 --flush 3)

step "the far data device"
load_start "$(pvol one)" --seed "$SEED" "${load[@]}"
slow one-sd1 400
wait_for 10 "the restore is behind" behind
sleep 1.5
lag_above 700 && fail "commits wait for the far data device: lag $(pstat one lag_ms) ms"
fast one-sd1
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 300 ] || fail "a write took $load_max_ms ms"

step "the far journal"
load_start "$(pvol one)" --seed "$((SEED + 1))" "${load[@]}"
slow one-sm 400
wait_for 10 "the lag shows it" lag_above 700
sleep 1.5
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 300 ] || fail "a write took $load_max_ms ms"
fast one-sm
session_drain one
session_equal one

step "the near data device"
slow one-pd1 100
load_start "$(pvol one)" --seed "$((SEED + 2))" --lanes 8 --seconds 2 --min 4k --max 32k --verify
load_wait "$(pvol one)"
[ "$load_max_ms" -ge 100 ] || fail "the disk was not slow: $load_max_ms ms"
[ "$load_max_ms" -lt 400 ] || fail "a write took $load_max_ms ms, the disk 100"
lag_above 2000 && fail "lag is $(pstat one lag_ms) ms"
fast one-pd1
session_drain one
session_equal one

step "a promotion with much to restore: how far it has come"
slow one-sd1 1500
check "long cycles" orderedctl set "$(pmeta one)" --cycle-ms 3600000
for n in 1 2 3; do
	fill "$(pvol one)" $n 0 512
	orderedctl switch "$(pmeta one)" > /dev/null
	wait_stat 20 "$(pmeta one)" lag_ms 0
done
same "nothing happened" "$(grep -cE ' (link-down|inconsistent|merge|error) ' /run/events || true)" 0
same "not all of it is restored" "$(behind && echo behind)" behind
session_unlink one
session_remove one p
# as on a terminal
script -qec "orderedctl promote $(smeta one)" /run/promoted > /dev/null &
promotion=$!
# one status, for it goes on meanwhile
seen() { dmojson "$1" < /run/restoring; }
restoring() {
	orderedctl status "$(smeta one)" --json > /run/restoring
	[ "$(seen state)" = busy ] && [ "$(seen progress.what)" = restore ] && [ "$(seen progress.percent)" -gt 0 ]
}
wait_for 20 "the restore goes on, and says how far it has come" restoring
same "meanwhile" "$(seen cut)" null
[ "$(seen restore_left_bytes)" -lt "$(seen restore_total_bytes)" ] || fail "nothing is restored"
code=0; wait $promotion || code=$?
same "the promotion" "$code" 0
grep -aqE 'promote: busy, restore [0-9]+ %, .*/s' /run/promoted || fail "its line: $(cat -v /run/promoted)"
grep -aqE '^.*cut [0-9]+\.[0-9]+' /run/promoted || fail "its cut: $(cat -v /run/promoted)"
same "role" "$(sstat one role)" primary
session_remove one s
events_stop
pass
