#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: LUKS on a volume: what goes to the far side, its disk and its journal, is ciphertext only; after promotion the
# same key opens it there, and its files are a prefix.
# Kernels: 6.12
# Not-debug: it has no dm-crypt
# Machines: 1
# Limit: 120
# Mem: 640

. "$DMO_TOP/tests/vm/lib/far.sh"

marker="the host's own words in clear, all of them. "
hidden() { ! grep -qF "$marker" "$1" || fail "the words can be read on $1"; echo "ok: hidden on $1"; }

load_module
need_module dm-crypt
session_make one 2 20 equal=1 timeout=1000
session_link one
mkdir -p /mnt/p /mnt/s
head -c 32 /dev/urandom > /run/key
check "luksFormat" cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
	--luks2-metadata-size 16k --luks2-keyslots-size 256k "$(pvol one 1)" /run/key
check "open" cryptsetup open --key-file /run/key --allow-discards "$(pvol one 1)" near
check "mkfs" mkfs.ext4 -q /dev/mapper/near
mount -o discard /dev/mapper/near /mnt/p

step "load, words in clear"
awk -v w="$marker" 'BEGIN { while (n++ < 11000) printf w }' > /mnt/p/.words
sync /mnt/p/.words
check "the words can be read, decrypted" grep -qF "$marker" /dev/mapper/near
files_start one /mnt/p
far_worth one
far_random

step "the link breaks"
net_cut
sleep 0.3
files_stop one
umount /mnt/p
check "close" cryptsetup close near
far_promote one

step "the far side"
hidden "$(sdata one 1)"
hidden "$(smeta one)"
hidden "$(pdata one 1)"
echo wrong > /run/wrong
refused "another key" "No key available" cryptsetup open --key-file /run/wrong "$(svol one 1)" far
check "open" cryptsetup open --key-file /run/key "$(svol one 1)" far
check "mount" mount /dev/mapper/far /mnt/s
files_check one "$far_cut" /mnt/s
same "the words are there" "$(head -c ${#marker} /mnt/s/.words)" "$marker"
same "all of them" "$(stat -c %s /mnt/s/.words)" $((11000 * ${#marker}))
umount /mnt/s
check "fsck" e2fsck -fn /dev/mapper/far
check "close" cryptsetup close far
session_remove one s
pass
