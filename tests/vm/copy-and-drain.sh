#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a full copy under mixed I/O, and mixed I/O after it, leave both ends bit-equal after a drain; until the
# copy ends the secondary says INCONSISTENT and can't be promoted; it refuses writes and, unless asked, reads.
# Kernels: 6.1 debug
# Machines: 1
# Cpus: 2
# Limit: 180
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module

step "two volumes, with content the other end does not have"
session_make one 2 16 reads=0
check "old content, 1" dmoload fill "$(pdata one 1)" --seed 7
check "old content, 2" dmoload fill "$(sdata one 2)" --seed 8

step "a secondary that was never copied to"
same "it says that it is no point in time" "$(sstat one inconsistent)" true
refused "promotion" "INCONSISTENT" orderedctl promote "$(smeta one)"
refused "a write to it" "." dd if=/dev/zero of="$(svol one)" bs=4k count=1 oflag=direct
refused "a read of it" "." dd if="$(svol one)" of=/dev/null bs=4k count=1 iflag=direct
refused "a discard of it" "." blkdiscard "$(svol one)"
refused "a zeroing of it" "." blkdiscard -z "$(svol one)"

step "the copy, under load"
mix=(--lanes 6 --discard 5 --zero 5 --fua 5 --flush 3 --read 10 --hot 30 --verify --max 512k)
events_start
load_start "$(pvol one 1)" --seed "$SEED" --seconds 20 --pause 2000 "${mix[@]}"
session_link one
event_wait 20 ' inconsistent .*full copy'
session_copied one
event_wait 5 ' consistent '
same "not copying any more" "$(pstat one state)" replicating

step "load on both volumes after the copy"
load_start "$(pvol one 2)" --seed "$((SEED + 1))" --seconds "$(long 3 30)" --pause 1000 "${mix[@]}"
load_wait "$(pvol one 2)"
load_stop "$(pvol one 1)"

step "drain"
session_drain one
same "nothing waits" "$(pstat one chunk_active.bytes)/$(pstat one chunk_older.state)" "0/none"
same "all that was cut is restored" "$(pstat one cut)" "$(sstat one cut_restored)"
session_equal one

step "every size and place, one at a time, around block and zone borders"
for at in 0 512 3584 4096 1044480 1048064 2097152 16776704; do
	for len in 512 1024 4096 4608 65536; do
		[ $((at + len)) -le 16777216 ] || continue
		dd if=/dev/urandom of="$(pvol one 1)" bs=512 seek=$((at / 512)) count=$((len / 512)) \
			iflag=fullblock oflag=direct status=none
	done
done
dd if=/dev/urandom of="$(pvol one 2)" bs=4M count=2 seek=1 iflag=fullblock oflag=direct status=none
session_drain one
session_equal one

step "consistent, so it could be promoted, were the volume not open"
exec 5< "$(svol one)"
refused "promotion of an open secondary" "open" orderedctl promote "$(smeta one)"
exec 5<&-
session_unlink one
session_remove one
events_stop
pass
