#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: writes of all sizes, alignments and vectors, up to the largest a device takes, on volumes with an odd number of
# sectors, and with 4096-byte blocks: buffers stay as they are, reads bring what was written, the ends are equal.
# Kernels: 6.12
# Machines: 1
# Limit: 120
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

mix=(--discard 5 --zero 5 --fua 5 --flush 2 --read 25 --verify)

# at_the_end NAME SECTORS: round the last, partial block.
at_the_end() {
	local dev; dev=$(pvol "$1")

	load_start "$dev" --seed "$SEED" --lanes 1 --ops "$(long 100 3000)" --max 8k --area $((($2 - 21) * 512)):$((21 * 512)) "${mix[@]}"
	load_wait "$dev"
	refused "a write past the end" "No space|beyond" dd if=/dev/zero of="$dev" bs=512 seek="$2" count=1 oflag=direct
	check "discard of the last block" blkdiscard -o $((($2 - $2 % 8) * 512)) "$dev"
	check "zeroing of the last sector" blkdiscard -z -o $((($2 - 1) * 512)) "$dev"
	dd if=/dev/urandom of="$dev" bs=512 seek=$(($2 - 2)) count=1 oflag=direct status=none
}

load_module
step "an odd number of sectors"
sectors=$((10 * 2048 + 5))
for end in p s; do
	truncate -s $((sectors * 512)) /dev/shm/odd-$end
	need_module loop
	S_dev[odd-${end}d1]=$(losetup -f --show /dev/shm/odd-$end)
done
session_make odd 1 16 size=$((sectors * 512)) disk=given
same "its size" "$(blockdev --getsz "$(pvol odd)")" $sectors
check "old content" dmoload fill "$(pdata odd)" --seed 3
session_link odd
session_copied odd
session_equal odd
at_the_end odd $sectors
session_drain odd
session_equal odd

step "vectors and bios of all sizes"
echo "largest request: $(cat "/sys/block/$(basename "$(readlink -f "$(pvol odd)")")/queue/max_sectors_kb") KiB"
load_start "$(pvol odd)" --seed "$SEED" --lanes 3 --ops "$(long 60 5000)" --max 3M --iov 23 --hot 40 "${mix[@]}"
load_wait "$(pvol odd)"
session_drain odd
session_equal odd
session_remove odd

step "blocks of 4096 bytes"
session_make four 1 10 lbs=4096
same "its logical block" "$(blockdev --getss "$(pvol four)")" 4096
session_link four
refused "a write of 512 bytes" "Invalid argument" dd if=/dev/zero of="$(pvol four)" bs=512 count=1 oflag=direct
load_start "$(pvol four)" --seed "$SEED" --lanes 3 --ops "$(long 50 5000)" --align 4096 --min 4096 --max 2M --iov 9 "${mix[@]}"
load_wait "$(pvol four)"
session_copied four
session_drain four
session_equal four

session_remove four
pass
