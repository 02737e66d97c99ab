#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a discard over thin volumes gives their space back, at both ends, fstrim too; parts of granules become zero;
# under load with discards the ends are equal; a disk that may discard but leaves its old content is copied as it is.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/far.sh"
. "$DMO_TOP/tests/vm/lib/lvm.sh"

group() {
	local dev; dev=$(disk_loop "pv-$1" 200)

	lvm_with "$dev"
	lvm_do "pvcreate $dev" "vgcreate -s 1m vg$1 $dev" "lvcreate -y -Wn -Zn -n meta -L 32m vg$1" \
		"lvcreate -y -n pool -L 120m --poolmetadatasize 4m -T vg$1 --errorwhenfull y" \
		"lvcreate -y -n thin -V 100m --thinpool pool vg$1"
	S_dev[one-$1m]=/dev/mapper/vg$1-meta
	S_dev[one-${1}d1]=/dev/mapper/vg$1-thin
}
used() { dmsetup status "vg$1-thin" | cut -d" " -f4; }	# sectors

# at_most SECTORS: are in use at either end.
at_most() {
	local s

	session_drain one
	session_equal one
	say "in use: $(used p) sectors at pri, $(used s) at sec"
	for s in p s; do
		[ "$(used $s)" -le "$1" ] || fail "the pool of $s has $(used $s) sectors in use, expected $1"
	done
}

load_module
need_module dm-thin-pool
group p
group s
session_make one 1 100 equal=1 disk=given mdisk=given
session_link one

step "a discard of all"
check "8 MiB" dd if=/dev/urandom of="$(pvol one)" bs=1M count=8 oflag=direct status=none
session_drain one
check "discard of all" blkdiscard -f "$(pvol one)"
at_most 1024

step "parts of granules"
check "8 MiB" dd if=/dev/urandom of="$(pvol one)" bs=1M count=8 oflag=direct status=none
check "at odd places" blkdiscard -o $((1048576 + 4608)) -l $((2097152 - 512)) "$(pvol one)"
check "reads as zeroes" cmp -i $((1048576 + 4608)) -n $((2097152 - 512)) "$(pvol one)" /dev/zero
at_most $((7 * 2048))

step "a file system"
check "mkfs" mkfs.ext4 -q -F "$(pvol one)"
mount "$(pvol one)" /mnt
check "24 MiB" dd if=/dev/urandom of=/mnt/a bs=1M count=24 conv=fsync status=none
rm /mnt/a
sync /mnt
before=$(used p)
check "fstrim" fstrim /mnt
at_most $((before - 12 * 2048))
umount /mnt

step "load"
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --ops "$(long 150 3000)" --max 512k --area 0:24M --discard 20 --zero 5 --flush 3 --hot 30
load_wait "$(pvol one)"
session_drain one
session_equal one
check "discard of all" blkdiscard -f "$(pvol one)"
at_most 1024
session_unlink one
session_remove one

step "a disk that keeps what is discarded"
dd if=/dev/urandom of=/run/key bs=32 count=1 status=none
for e in p s; do
	cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 256 --key-file /run/key --allow-discards \
		"$(disk_loop "low-$e" 16)" "keeps-$e" || fail "cryptsetup open"
	S_dev[two-${e}d1]=/dev/mapper/keeps-$e
done
session_make two 1 16 equal=0 disk=given
session_link two
session_copied two
load_start "$(pvol two)" --seed "$SEED" --lanes 4 --ops "$(long 100 3000)" --max 512k --align 4096 --min 4096 --discard 20 --hot 30
load_wait "$(pvol two)"
check "a discard" blkdiscard -o 1M -l 3M "$(pvol two)"
session_drain two
session_equal two
session_remove two
pass
