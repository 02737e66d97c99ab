#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: flushes that fail: of the secondary's data device, the ring keeps what was not flushed, also if the power
# goes; of the primary's, what is then lost is found in no copy, since all since the last good flush is shipped again.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

committed() { [ "$(pstat one cut_committed.n)" -ge "$1" ]; }
# commit CHAR: 64 blocks of it, committed.
commit() {
	fill "$(pvol one)" "$1" 100 64
	cut=$(orderedctl switch "$(pmeta one)"); cut=${cut##*.}
	wait_for 10 "cut $cut is committed" committed "$cut"
}
# lose HOST-DISK: its host loses its power, and all that was not flushed.
lose() { power_cut "$1" 0; }

load_module
session_make one 1 4 equal=1 cycle=50 pdisk=power sdisk=power mdisk=power pmeta=8 smeta=8
events_start
session_link one
commit a
session_drain one

step "the secondary's data device"
restored=$(sstat one cut_restored.n)
power_fail one-sd1 flush 1000
commit b
event_wait 10 ' error .*restore: data device of volume 1: (flush|write) failed'
commit c
same "the data is there, in a cache" "$(peek "$(sdata one)" 110)" "$(peek "$(sdata one)" 111)"
same "the tail stands" "$(sstat one cut_restored.n)" "$restored"
[ "$(sstat one journal_used_bytes)" -gt $((2 * 64 * 4096)) ] || fail "the ring has given space back"
lose one-sd1
session_remove one s
power_fail one-sd1 flush 0
power_on one-sd1
same "the cache is lost" "$(peek "$(sdata one)" 110)" aaaaaaaa
session_create one s
wait_stat 10 "$(smeta one)" cut_restored "$(sstat one cut_complete)"
[ "$(sstat one cut_committed.n)" -ge "$cut" ] || fail "committed was $cut, is $(sstat one cut_committed.n)"
same "what was committed" "$(peek "$(sdata one)" 110)" cccccccc
same "consistent" "$(sstat one inconsistent)" false
session_link one
session_drain one
session_equal one

step "the primary's data device, more than once"
check "a good flush" blockdev --flushbufs "$(pvol one)"
fill "$(pvol one)" d 100 64 conv=fsync
commit e
session_drain one
same "what the secondary has" "$(peek "$(sdata one)" 110)" eeeeeeee
events_forget
power_fail one-pd1 flush 3
for i in 1 2 3; do
	refused "flush $i" "error|fsync" sync "$(pvol one)"
done
event_wait 10 ' error .*volume 1: a flush of the data device failed'
commit f
session_drain one
session_equal one
check "a good flush" sync "$(pvol one)"

step "... that has lost what it had"
commit g
session_drain one
power_fail one-pd1 flush 1
lose one-pd1	# of all disks of its host: the metadata device is not in use
power_on one-pd1
refused "the flush" "error|fsync" sync "$(pvol one)"
same "what the device holds" "$(peek "$(pvol one)" 110)" ffffffff
session_drain one
session_equal one

step "the host sees each failure of FUA"
for i in 1 2 3; do
	power_fail one-pd1 fua 1
	refused "a FUA write" "Input/output error" dd if=/dev/urandom of="$(pvol one)" bs=4k seek=$((200 + i)) count=1 oflag=direct,dsync
	power_fail one-pd1 fua 0
done
session_drain one
session_equal one
same "never inconsistent" "$(grep -cE ' inconsistent ' /run/events || true)" 0
session_remove one
events_stop
pass
