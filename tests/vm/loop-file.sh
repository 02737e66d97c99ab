#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: data in sparse files of a file system: discards give its space back at both ends; when it is full, the host is told
# at the primary, and at the secondary the restore waits and ends when there is space.
# Kernels: 6.12
# Machines: 1
# Limit: 120
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# store SITE: a file system of 28 MiB with a sparse file of 32 MiB.
store() {
	local dev; dev=$(disk_loop "store-$1" 28)

	mkfs.ext4 -q -m 0 -O ^has_journal "$dev"
	mkdir -p "/mnt/$1"
	mount "$dev" "/mnt/$1"
	truncate -s 32M "/mnt/$1/file"
	S_dev[one-${1}d1]=$(losetup -f --show --direct-io=on "/mnt/$1/file")
}
kib() { sync "/mnt/$1/file"; echo $(($(stat -c %b "/mnt/$1/file") / 2)); }
full() { dd if=/dev/zero of="/mnt/$1/filler" bs=64k status=none 2> /dev/null || true; sync "/mnt/$1"; }

# put BLOCK COUNT: random data.
put() { dd if=/dev/urandom of="$(pvol one)" bs=64k seek="$1" count="$2" iflag=fullblock oflag=direct conv=fsync status=none; }

load_module
need_module loop
store p
store s
session_make one 1 32 equal=1 disk=given
events_start
session_link one

step "space comes and goes"
check "8 MiB" put 0 128
session_drain one
session_equal one
for s in p s; do
	[ "$(kib $s)" -ge 8192 ] || fail "8 MiB take $(kib $s) KiB at $s"
done
check "6 of them discarded" blkdiscard -o 1M -l 6M "$(pvol one)"
session_drain one
session_equal one
for s in p s; do
	[ "$(kib $s)" -lt 3000 ] || fail "2 MiB take $(kib $s) KiB at $s"
done
check "reads as zeroes" cmp -i 1M -n 6M "$(pvol one)" /dev/zero

step "the secondary's file system is full"
full s
check "the primary goes on" put 160 64
wait_stat 30 "$(smeta one)" block restore-error
event_wait 10 ' error '
check "and on" put 224 16
refused "a drain" "." orderedctl drain "$(pmeta one)" --timeout 3
rm /mnt/s/filler
wait_for 60 "the restore goes on" s_is "$(smeta one)" block nothing
session_drain one
session_equal one

step "the primary's file system is full"
events_forget
full p
refused "a write that needs space" "rror|No space" put 256 64
event_wait 10 ' error .*a write to the data device failed'
[ "$(pstat one 'volumes[0].errors')" -gt 0 ] || fail "no failed write is counted"
check "a write to what is there" put 0 4
rm /mnt/p/filler
check "it has space again" put 256 64
session_drain one
session_equal one
events_stop
session_remove one
pass
