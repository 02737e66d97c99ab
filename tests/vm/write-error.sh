#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: write, read and flush errors of the primary's data device: the host gets EIO for what failed and goes on, an
# event tells, and both ends are bit-equal when the device is good again, also if it lost what was not flushed.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

read_again() { ! s_is "$(pmeta one)" block read-error; }

load_module
session_make one 1 16 pdisk=lin+power cycle=100
lower=${S_dev[one-pd1.lower]} disk=one-pd1
check "old content" dmoload fill "$(pdata one)" --seed 3 --fsync
events_start

step "a sector that can't be read stops the copy, not the host"
disk_error $disk "$lower" 8192 8
session_link one
event_wait 20 ' error .*volume 1: block 1024 can.t be read'
wait_stat 10 "$(pmeta one)" block read-error
refused "a drain" "can't be read" orderedctl drain "$(pmeta one)" --timeout 3
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --ops 50 --max 64k --area 0:4M --verify --discard 3
load_wait "$(pvol one)"
same "the secondary says what it is" "$(sstat one inconsistent)" true
disk_good $disk "$lower"
session_copied one
session_drain one
session_equal one

step "a write fixes what could not be read"
disk_error $disk "$lower" 8192 8
session_unlink one
refused "a write of it" "Input/output error" dd if=/dev/urandom of="$(pvol one)" bs=4k seek=1024 count=1 oflag=direct
event_wait 10 ' error .*volume 1: a write to the data device failed'
[ "$(pstat one 'volumes[0].errors')" -gt 0 ] || fail "no failed write is counted"
session_link one
wait_stat 10 "$(pmeta one)" block read-error
disk_good $disk "$lower"
fill "$(pvol one)" F 1024 1
wait_for 10 "the block is tried again" read_again
session_drain one
same "the write is there" "$(peek "$(sdata one)" 1024)" FFFFFFFF
session_equal one

step "write errors under load"
events_forget
load_start "$(pvol one)" --seed "$((SEED + 1))" --lanes 4 --seconds 600 --max 128k --errors --pause 1000 --zero 5 --discard 5 --fua 5 --flush 2 --verify
disk_flaky $disk "$lower" error_writes
event_wait 10 ' error .*volume 1: a write to the data device failed'
sleep 1
disk_good $disk "$lower"
for ((i = 0; i < $(long 3 30); i++)); do
	power_fail $disk.dev write 2
	sleep 0.2
done
load_stop "$(pvol one)"
grep -q ' errors=[1-9]' "/run/load-one-p-1" || fail "the host saw no error"
session_drain one
session_equal one

step "a flush that fails, by a device that keeps what it has"
events_forget
fill "$(pvol one)" G 77 3
power_fail $disk.dev flush 1
refused "the flush" "Input/output error|fdatasync|fsync" dd if=/dev/zero of="$(pvol one)" bs=4k seek=900 count=1 oflag=direct conv=fsync,notrunc
event_wait 10 ' error .*volume 1: a flush of the data device failed'
session_drain one
session_equal one

step "a device that loses what was not flushed: what was shipped is shipped again"
check "a good flush" blockdev --flushbufs "$(pvol one)"
fill "$(pvol one)" a 200 64 conv=fsync
fill "$(pvol one)" b 200 64
session_drain one
same "what is at sec" "$(peek "$(sdata one)" 210)" bbbbbbbb
events_forget
power_cut $disk.dev 0
refused "the flush" "error|fsync" dd if=/dev/zero of="$(pvol one)" bs=4k seek=900 count=1 oflag=direct conv=fsync,notrunc
refused "another flush" "rror" sync "$(pvol one)"
power_on $disk.dev
event_wait 10 ' error .*volume 1: a flush of the data device failed'
same "what the device holds" "$(peek "$(pvol one)" 210)" aaaaaaaa
session_drain one
session_equal one
session_remove one
events_stop
pass
