#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: data and metadata devices under dm-crypt, with other keys and sector sizes at the two sides: replication, a full
# copy, discards; nothing of the host's data is on a disk in clear, and without encryption of the metadata device it is.
# Kernels: 6.1
# Not-debug: it has no dm-crypt
# Machines: 1
# Limit: 120
# Mem: 640

. "$DMO_TOP/tests/vm/lib/far.sh"

marker="the host's own words in clear, all of them. "
# clear_on NAME: can the words be read on this disk?
clear_on() { grep -qF "$marker" "/dev/shm/$1.img"; }
in_clear() { clear_on "$1" || fail "the words should be found on $1"; echo "ok: in clear on $1"; }
hidden() { ! clear_on "$1" || fail "the words can be read on $1"; echo "ok: hidden on $1"; }

# words DEVICE BLOCK COUNT: write them.
words() {
	dd if=/run/words of="$1" bs=64k count=$(($3 / 16)) seek=$(($2 / 16)) oflag=direct status=none
}

# plain DISK MIB KEY: a disk under dm-crypt without a header.
plain() {
	local dev; dev=$(disk_loop "$1" "$2")

	echo "$3" | cryptsetup open -q --type plain --cipher aes-xts-plain64 --key-size 256 --hash sha256 \
		--allow-discards "$dev" "$1" || fail "cryptsetup open $1"
	S_dev[one-$1]=/dev/mapper/$1
}

load_module
need_module dm-crypt
awk -v w="$marker" 'BEGIN { while (n++ < 95326) printf w }'  > /run/words
step "disks"
dev=$(disk_loop pd1 17)
head -c 32 /dev/urandom > /run/key
check "luksFormat" cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
	--luks2-metadata-size 16k --luks2-keyslots-size 256k --sector-size 4096 "$dev" /run/key
check "open" cryptsetup open --key-file /run/key --allow-discards "$dev" pd1
S_dev[one-pd1]=/dev/mapper/pd1
plain sd1 16 two
plain pm 16 three
plain sm 16 four

step "a full copy"
session_make one 1 16 disk=given mdisk=given lbs=4096
words "$(pdata one)" 0 1024
session_link one
session_copied one

step "load, whole words, discards"
words "$(pvol one)" 512 1024
load_start "$(pvol one)" --seed "$SEED" --align 4096 --min 4096 --max 256k --area 8M:8M --ops 40 --zero 5 --fua 10 --verify --read 10
load_wait "$(pvol one)"
# what was discarded reads as what the cipher makes of it, the same at both ends
load_start "$(pvol one)" --seed $((SEED + 1)) --align 4096 --min 4096 --max 256k --area 8M:8M --ops 40 --discard 20
load_wait "$(pvol one)"
session_drain one
session_equal one
check "the far side has the words" grep -qF "$marker" "$(sdata one)"
for disk in pd1 sd1 pm sm; do hidden $disk; done

step "the journal needs it, too"
session_remove one
cryptsetup close sm
S_dev[one-sm]=$(readlink -f /dev/dmo/sm)
check "format" orderedctl format --force --role secondary --plain --uuid "${S_uuid[one]}" --label one \
	--volume 1:16M:4096 "$(smeta one)"
session_create one p
session_create one s
session_link one
session_copied one
words "$(pvol one)" 1024 64
session_drain one
hidden sd1
in_clear sm
session_remove one
for disk in pd1 sd1 pm; do check "close" cryptsetup close $disk; done
pass
