#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a promoted secondary holds exactly what the primary held at the cut that it reports, not what was written
# later; it takes writes, is a new activation, and stays a primary over table reload and activation.
# Kernels: 6.12 debug
# Machines: 1
# Cpus: 2
# Limit: 180
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
events_start
session_make one 2 8 equal=1
session_link one

step "load, and a quiet moment whose cut and content are kept"
for v in 1 2; do
	load_start "$(pvol one $v)" --seed "$((SEED + v))" --seconds 2 --discard 5 --zero 5 --fua 5 --max 256k
done
for v in 1 2; do load_wait "$(pvol one $v)"; done
cut=$(orderedctl drain "$(pmeta one)" --timeout 60)
for v in 1 2; do dd bs=1M iflag=direct status=none if="$(pdata one $v)" of="/dev/shm/at-cut.$v"; done
activation=$(pstat one activation)
same "one activation" "$(sstat one activation)" "$activation"

step "later writes that are not shipped"
check "long cycles" orderedctl set "$(pmeta one)" --cycle-ms 3600000
load_start "$(pvol one 1)" --seed 99 --ops 40 --lanes 2 --max 16k
load_wait "$(pvol one 1)"
refused "what was kept and what is there are equal" "differ in" dmoload cmp "$(pdata one 1)" /dev/shm/at-cut.1

step "promotion"
refused "promotion while the primary is active in the same kernel" "already active here as primary" orderedctl promote "$(smeta one)"
same "the link is up still" "$(sstat one link_state)" up
session_remove one p
out=$(orderedctl promote "$(smeta one)" 2>&1) || fail "promotion: $out"
echo "$out"
grep -qE "^cut $cut(,|\$)" <<< "$out" || fail "it should have stopped at cut $cut: $out"
event_wait 5 " promoted .*cut=$cut"
same "role" "$(sstat one role)" primary
! [ "$(sstat one activation)" = "$activation" ] || fail "the activation is still $activation"
echo "ok: a new activation"
for v in 1 2; do
	check "volume $v is what it was at the cut" dmoload cmp "$(svol one $v)" "/dev/shm/at-cut.$v"
	same "the table of volume $v" "$(session_table one s $v | cut -d' ' -f 3,6)" "ordered $v"
	same "the status of volume $v" "$(dmsetup status one-s-$v | cut -d' ' -f 4)" primary
done
activation=$(sstat one activation)
check "promoting it again is no error" orderedctl promote "$(smeta one)"
same "and changes nothing" "$(sstat one activation)" "$activation"

step "it is written"
load_start "$(svol one 1)" --seed 5 --ops 100 --lanes 4 --max 64k --verify --discard 5 --fua 10 --flush 5
load_start "$(svol one 2)" --seed 6 --ops 100 --lanes 4 --max 64k --verify --zero 5
load_wait "$(svol one 1)"
load_wait "$(svol one 2)"
fill "$(svol one 1)" W 5 1 conv=fsync
same "the write is on its disk" "$(peek "$(sdata one 1)" 5)" WWWWWWWW

step "table reload"
disk_table one-s-1 "$(session_table one s 1)"
same "the write is there still" "$(peek "$(svol one 1)" 5)" WWWWWWWW
same "role" "$(sstat one role)" primary

activation=$(sstat one activation)
step "activated again, it is a primary still"
session_remove one s
session_create one s
same "role" "$(sstat one role)" primary
! [ "$(sstat one activation)" = "$activation" ] || fail "activated again, and the activation is $activation still"
fill "$(svol one 2)" V 1 1
refused "the old primary in the same kernel" "already active here as primary|kernel log" \
	orderedctl create one-p-1 --meta "$(pmeta one)" --volume 1 --data "$(pdata one 1)"
session_remove one s
events_stop
pass
