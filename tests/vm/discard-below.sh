#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: discards, write-zeroes, mkfs.xfs and fstrim over virtio disks with and without unmap, either way round, and over
# thin volumes whose chunks are larger than a zone, smaller, and no power of two: both ends are equal, and space is given back.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768
# Drives: up-p:48M:raw up-s:48M:raw no-p:48M:plain no-s:48M:plain

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# On the emulator's own host; what it has freed shows there.
blocks_of() { stat -c %b "$DMO_TOP/build/logs/discard-below-6.1/vm.$1.img"; }
offers() { [ "$(disk_limit "$1" discard_max_bytes)" != 0 ]; }

# freed DISK: all of it, if it can.
freed() {
	echo "$1 takes $(blocks_of "$1") sectors"
	[[ $1 = no-* ]] || [ "$(blocks_of "$1")" -lt 2048 ] || fail "$1 still takes $(blocks_of "$1") sectors"
}

# with_load NAME: discards, zeroing and writes at random places, for whatever the volume offers.
with_load() {
	local share=25; offers "$(pvol "$1")" || share=0

	load_start "$(pvol "$1")" --seed "$SEED" --lanes 4 --ops "$(long 100 2000)" --align 512 --min 512 --max 512k \
		--area 0:40M --discard $share --zero $((40 - share)) --fua 5 --hot 40
	load_wait "$(pvol "$1")"
	session_drain "$1"
	session_equal "$1"
}

# virtio NAME P-DISK S-DISK
virtio() {
	local name=$1 p s

	p=$(drive "$2-p") s=$(drive "$3-s")
	step "virtio: $2 to $3"
	S_dev[$name-pd1]=$p S_dev[$name-sd1]=$s
	session_make "$name" 1 48 equal=0 disk=given pmeta=16 smeta=16
	check "filled" dmoload fill "$(pdata "$name")" --seed 3
	session_link "$name"
	session_copied "$name"
	same "what $name offers" "$(disk_limit "$(pvol "$name")" discard_max_bytes)" "$(disk_limit "$p" discard_max_bytes)"
	if [ "$2" = up ]; then
		check "discard of all" blkdiscard "$(pvol "$name")"
	else
		refused "a discard" "not supported" blkdiscard "$(pvol "$name")"
		check "zeroing of all" blkdiscard -z "$(pvol "$name")"
	fi
	session_drain "$name"
	session_equal "$name"
	check "reads as zeroes" cmp -n $((48 << 20)) "$(pvol "$name")" /dev/zero
	freed "$2-p"
	freed "$3-s"
	with_load "$name"
	session_unlink "$name"
	session_remove "$name"
}

# pool SITE CHUNK-SECTORS: a thin volume of 64 MiB, thin-SITE.
pool() {
	S_dev[thin-$1.meta]=$(disk_loop "meta-$1-$2" 4)
	S_dev[thin-$1.data]=$(disk_loop "data-$1-$2" 72)
	dmsetup create "pool-$1" --table "0 147456 thin-pool ${S_dev[thin-$1.meta]} ${S_dev[thin-$1.data]} $2 0" || fail "no pool"
	dmsetup message "pool-$1" 0 "create_thin 0"
	dmsetup create "thin-$1" --table "0 131072 thin /dev/mapper/pool-$1 0" || fail "no thin volume"
}
used() { dmsetup status "thin-$1" | cut -d" " -f4; }	# sectors

# at_most NAME SECTORS: are in use at either end.
at_most() {
	local s

	session_drain "$1"
	session_equal "$1"
	for s in p s; do
		echo "$(used $s) sectors in use at $s"
		[ "$(used $s)" -le "$2" ] || fail "$s has $(used $s) sectors in use, expected $2 at most"
	done
}

# thin CHUNK-SECTORS
thin() {
	local name=t$1 before s

	step "thin volumes of chunks of $1 sectors"
	for s in p s; do
		pool $s "$1"
		S_dev[$name-${s}d1]=/dev/mapper/thin-$s
	done
	session_make "$name" 1 64 equal=1 disk=given pmeta=16 smeta=16
	session_link "$name"
	with_load "$name"
	check "discard of all" blkdiscard -f "$(pvol "$name")"
	at_most "$name" 2048
	# With these words set mkfs.xfs makes file systems of less than 300 MiB.
	check "mkfs" env TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 mkfs.xfs -q "$(pvol "$name")"
	mount "$(pvol "$name")" /mnt
	check "24 MiB" dd if=/dev/urandom of=/mnt/a bs=1M count=24 conv=fsync status=none
	rm /mnt/a
	sync -f /mnt
	before=$(used p)
	check "fstrim" fstrim /mnt
	umount /mnt
	at_most "$name" $((before - 12 * 2048))
	session_remove "$name"
	for s in p s; do
		dmsetup remove thin-$s pool-$s
		losetup -d "${S_dev[thin-$s.meta]}" "${S_dev[thin-$s.data]}"
		rm "/dev/shm/meta-$s-$1.img" "/dev/shm/data-$s-$1.img"
	done
}

load_module
need_module dm-thin-pool
need_module xfs
virtio both up up
virtio there up no
virtio back no up
thin 384
thin 4096
if dmesg | grep "WRITE_ZEROES"; then fail "zeroes were asked for in a way that a device can't"; fi
unload_module
pass
