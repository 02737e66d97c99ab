#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a secondary that was put back, data and metadata, to a snapshot made in the midst of its first copy gets what it
# lacks, or is refused; the sides never differ with INCONSISTENT gone.
# Kernels: 6.1
# Machines: 1
# Limit: 400
# Mem: 1536

. "$DMO_TOP/tests/vm/lib/ordered.sh"

mib=160
received() { [ "$(sstat one link_rx_bytes)" -ge "$1" ]; }
keep() { dd if="$1" of="$2" bs=1M iflag=direct conv=sparse status=none; }
put_back() { dd if="$2" of="$1" bs=1M oflag=direct conv=fsync status=none; }

load_module
session_make one 1 $mib mdisk=loop cycle=100
# A quarter of it is data, so that little goes over the line; a SYNC comes with each 64 MiB of the volume.
for ((m = 0; m < mib; m += 4)); do
	dd if=/dev/urandom of="$(pdata one)" bs=1M seek=$m count=1 iflag=fullblock oflag=direct status=none
done
net_shape "delay 1ms rate 15mbit limit 2000"

step "the copy has begun: a snapshot"
session_link one
wait_for 30 "the copy has begun" received 2000000
blocked=$(pstat one block_ms)
[ "$blocked" -le "$(cut -d. -f1 /proc/uptime)000" ] || fail "blocked for $blocked ms, longer than the machine is up"
session_unlink one
same "in the midst of a copy" "$(sstat one inconsistent)" true
session_remove one s
keep "$(sdata one)" /dev/shm/keep-d
keep "$(smeta one)" /dev/shm/keep-m

step "it goes on, beyond the first SYNC"
session_create one s
session_link one
wait_for 90 "more than 100 MiB of the volume are over" received 27000000
session_unlink one
same "still in the midst of it" "$(sstat one inconsistent)" true
session_remove one s

step "back to the snapshot"
put_back "$(sdata one)" /dev/shm/keep-d
put_back "$(smeta one)" /dev/shm/keep-m
rm -f /dev/shm/keep-d /dev/shm/keep-m
session_create one s
net_shape ""
if ! out=$(session_try_link one 2>&1); then
	grep -qE 'older|reverted|copy' <<< "$out" || fail "refused, but not by name: $out"
	say "RESULT refused: $out"
	session_remove one
	pass
fi
session_copied one 200
session_drain one
if ! out=$(dmoload cmp "$(pdata one)" "$(sdata one)" 2>&1); then
	fail "the sides differ, inconsistent=$(sstat one inconsistent), state=$(pstat one state): $out"
fi
say "RESULT equal"
session_remove one
pass
