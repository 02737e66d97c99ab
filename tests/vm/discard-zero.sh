#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: discards and write-zeroes of every alignment read as zeroes and are zeroes at the other end; a device that
# can unmaps them, quietly, one that can neither is zeroed by writing and offers no discards.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

blocks_of() { stat -c %b "/dev/shm/$1.dev.img"; }
discards() { [ "$(disk_limit "$(pvol "$1")" discard_max_bytes)" != 0 ]; }

# at_all_places NAME LBS: discards and zeroing at the borders of sectors, blocks, zones, volume.
at_all_places() {
	local dev n=0 at len zero; dev=$(pvol "$1")

	for at in 0 512 3584 4096 69632 1044480 1048064 2101248 5238784; do
		for len in 512 4096 4608 1048576 3149824; do
			if [ $((at % $2 + len % $2)) != 0 ] || [ $((at + len)) -gt $((8 << 20)) ]; then continue; fi
			n=$((n + 1))
			zero=''
			if [ $((n % 2)) = 1 ] || ! discards "$1"; then zero=-z; fi
			blkdiscard $zero -o $at -l $len "$dev" || fail "blkdiscard $zero -o $at -l $len"
			cmp -s -n $len -i $at:0 "$dev" /dev/zero || fail "not zero: $at + $len"
		done
	done
	echo "ok: $n discards and zeroings at all places"
}

# shrinks NAME: what is discarded takes no space, at both ends. Comes before any zeroing that must keep space: tmpfs can't,
# and from then on a loop device of 6.12 says that it can't write zeroes at all.
shrinks() {
	local before after

	before="$(blocks_of "$1-pd1")/$(blocks_of "$1-sd1")"
	check "all of it is discarded" blkdiscard "$(pvol "$1")"
	session_drain "$1"
	session_equal "$1"
	after="$(blocks_of "$1-pd1")/$(blocks_of "$1-sd1")"
	echo "space before and after: $before $after"
	[ "${after%/*}" -lt $((${before%/*} / 10)) ] || fail "the primary's device did not shrink"
	[ "${after#*/}" -lt $((${before#*/} / 10)) ] || fail "the secondary's device did not shrink"
	check "all of it reads as zeroes" cmp -n $((8 << 20)) "$(pvol "$1")" /dev/zero
}

# of_kind NAME PRIMARY-DISK SECONDARY-DISK MIB LBS
of_kind() {
	local name=$1 share=25

	step "$name: $2 to $3, logical block $5"
	session_make "$name" 1 "$4" equal=0 "pdisk=$2" "sdisk=$3" "lbs=$5" cycle=100 pmeta=16 smeta=16
	check "filled" dmoload fill "$(pdata "$name")" --seed 3
	session_link "$name"
	session_copied "$name"
	if [ "$2/$3" = loop/loop ]; then
		shrinks "$name"
		check "filled again" dmoload fill "$(pvol "$name")" --seed 4
	fi
	same "discards of $name" "$(disk_limit "$(pvol "$name")" discard_max_bytes)" \
		"$(disk_limit "$(pdata "$name")" discard_max_bytes)"
	discards "$name" || share=0
	at_all_places "$name" "$5"
	session_drain "$name"
	session_equal "$name"
	load_start "$(pvol "$name")" --seed "$SEED" --lanes 4 --ops "$(long 60 2000)" --align "$5" --min "$5" --max 128k \
		--discard $share --zero $((50 - share)) --fua 5 --hot 50 --verify
	load_wait "$(pvol "$name")"
	session_drain "$name"
	session_equal "$name"
}

load_module
of_kind loop loop loop 8 512
session_unlink loop
check "mkfs" mkfs.ext4 -q "$(pvol loop)"
session_remove loop
if dmesg | grep "WRITE_ZEROES"; then fail "zeroes were asked for in a way that the device can't"; fi

of_kind cannot brd loop 8 512
session_remove cannot
of_kind four null brd 8 4096
session_remove four
pass
