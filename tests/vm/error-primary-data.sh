#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a block of a closed cycle that can't be read holds that cycle, and no other harm: one event, the host goes on,
# also on that block, whose write gives the cycle up for the next; a device that fails all writes gives EIO for each.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

read_errors() { grep -cE ' error .*can.t be read' /run/events || true; }
has_refs() { [ "$(pstat one chunk_active.refs)" -gt 100 ]; }

load_module
session_make one 1 8 equal=1 cycle=50 budget=1 pdisk=lin+power
lower=${S_dev[one-pd1.lower]}
events_start
session_link one
session_drain one

# A cycle of references: more than the budget, while there is no link.
references() {
	session_unlink one
	check "4 MiB" dd if=/dev/urandom of="$(pvol one)" bs=64k count=64 oflag=direct
	wait_for 10 "references" has_refs
}

# bad_blocks: 2 MiB can't be read; they can't all be in memory.
bad_blocks() { disk_error one-pd1 "$lower" 2048 4096; }
# unreadable: sets $block to the block that the event names.
unreadable() {
	event_wait 10 ' error .*volume 1: block [0-9]+ can.t be read'
	block=$(sed -n 's/.*volume 1: block \([0-9]*\) can.t be read.*/\1/p' /run/events | tail -n 1)
	[ "$block" -ge 256 ] || fail "block $block can be read"
	[ "$block" -lt 768 ] || fail "block $block can be read"
}

step "a reference that can't be read"
references
before=$(pstat one cut_complete)
bad_blocks
session_link one
unreadable
wait_stat 5 "$(pmeta one)" block read-error
load_start "$(pvol one)" --seed "$((SEED + 1))" --lanes 4 --seconds 3 --max 32k --area 5M:3M --pause 2000 --verify
load_wait "$(pvol one)"
[ "$load_max_ms" -lt 2000 ] || fail "a write took $load_max_ms ms"
same "the cycle is held" "$(pstat one chunk_older.state)" shipping
same "nothing more was completed" "$(pstat one cut_complete)" "$before"
same "the boundary there" "$(sstat one cut_complete)" "$before"
same "told once in 3 s" "$(read_errors)" 1
refused "a drain" "can't be read" orderedctl drain "$(pmeta one)" --timeout 2
disk_good one-pd1 "$lower"
session_drain one
session_equal one

step "a write to it gives the cycle up for the next"
events_forget
references
bad_blocks
session_link one
unreadable
refused "the write" "Input/output error" dd if=/dev/zero of="$(pvol one)" bs=4k seek="$block" count=1 oflag=direct
event_wait 10 ' merge '
disk_good one-pd1 "$lower"
fill "$(pvol one)" W "$block" 1
session_drain one
same "the write is there" "$(peek "$(sdata one)" "$block")" WWWWWWWW
session_equal one

step "one write"
events_forget
power_fail one-pd1.dev write 1
refused "the write" "Input/output error" dd if=/dev/urandom of="$(pvol one)" bs=64k count=1 oflag=direct
event_wait 10 ' error .*volume 1: a write to the data device failed'
same "a failed write is counted" "$(pstat one 'volumes[0].errors')" 2
session_drain one
session_equal one

step "all writes, of any kind"
before=$(digest "$(pdata one)")
disk_flaky one-pd1 "$lower" error_writes
for ((i = 0; i < 5; i++)); do
	refused "a write" "Input/output error" dd if=/dev/urandom of="$(pvol one)" bs=4k seek=$((i * 100)) count=3 oflag=direct
done
refused "write-zeroes" "Input/output error" blkdiscard -z -o 4096 -l 65536 "$(pvol one)"
refused "a discard" "Input/output error" blkdiscard -o 1048576 -l 65536 "$(pvol one)"
check "reads are served" dd if="$(pvol one)" of=/dev/null bs=1M count=4 iflag=direct
disk_good one-pd1 "$lower"
same "nothing of it is on the disk" "$(digest "$(pdata one)")" "$before"
session_drain one
session_equal one
same "consistent all the time" "$(grep -cE ' inconsistent ' /run/events || true)" 0
session_remove one
events_stop
pass
