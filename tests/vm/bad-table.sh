#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: every wrong table line, data device and metadata device is refused with a text that names it, no data device
# is touched by that, and one damaged copy of the metadata is survived and healed.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

sectors=$((4 * 2048))
marks=0

# log_since: the kernel log since the last mark.
mark() { marks=$((marks + 1)); echo "test mark $marks." > /dev/kmsg; }
log_since() { dmesg | awk -v m="test mark $marks." 'index($0, m) { on = 1 } on'; }

# bad WHAT REGEX [TABLE LINE...]: it is refused, and the log says why.
bad() {
	local what=$1 regex=$2; shift 2

	mark
	if printf '%s\n' "$@" | dmsetup create bad > /run/bad 2>&1; then
		fail "$what: accepted: $*"
	fi
	log_since | grep -qE -- "$regex" || fail "$what: '$regex' is not in the log: $(log_since | tail -n 3)"
	echo "ok: $what: $(log_since | grep -E -- "$regex" | head -n 1 | sed 's/.*device-mapper: //')"
}

untouched() {
	same "$1: data of the primary is untouched" "$(digest "$(pdata a)")" "$digest_p"
	same "$1: data of the secondary is untouched" "$(digest "$(sdata a)")" "$digest_s"
}

load_module
session_make a 2 4 create=0 pmeta=4 smeta=4
dd if=/dev/urandom of="$(pdata a)" bs=1M count=4 oflag=direct status=none
dd if=/dev/urandom of="$(sdata a)" bs=1M count=4 oflag=direct status=none
digest_p=$(digest "$(pdata a)") digest_s=$(digest "$(sdata a)")
d=$(pdata a) d2=$(pdata a 2) m=$(pmeta a)
good="0 $sectors ordered $d $m 1"

step "words"
expected='expected <data dev> <metadata dev> <volume id>'
bad "no words" "$expected" "0 $sectors ordered"
bad "one word" "$expected" "0 $sectors ordered $d"
bad "two words" "$expected" "0 $sectors ordered $d $m"
bad "id is no number" "the volume id must be a number" "0 $sectors ordered $d $m one"
bad "id is negative" "the volume id must be a number" "0 $sectors ordered $d $m -1"
bad "id is too large" "the volume id must be a number" "0 $sectors ordered $d $m 4294967297"
bad "number of options is no number" "number of options must be" "$good x"
bad "too many options" "number of options must be" "$good 9 allow_reads"
bad "unknown option" "unknown option; known: allow_reads" "$good 1 frobnicate"
bad "options missing" "not enough arguments|number of options" "$good 2 allow_reads"
bad "words behind the options" "words behind the options" "$good 1 allow_reads more"
bad "not alone" "singleton|must appear alone" "0 2048 linear $d2 0" "2048 $sectors ordered $d $m 1"
bad "unknown volume" "volume 7 is not in the superblock on .*orderedctl dump" "0 $sectors ordered $d $m 7"
bad "too short a table" "table has $((sectors - 8)) sectors, but volume 1 was formatted with $sectors" \
	"0 $((sectors - 8)) ordered $d $m 1"
bad "too long a table" "table has $((sectors + 8)) sectors, but volume 1 was formatted with $sectors" \
	"0 $((sectors + 8)) ordered $d $m 1"
untouched "wrong words"

step "devices"
small=$(disk_loop small 3)
large=$(disk_loop blocks4k 4 4096)
bad "data device that isn't there" "data device can't be opened" "0 $sectors ordered /dev/nonesuch $m 1"
bad "metadata device that isn't there" "metadata device can't be opened" "0 $sectors ordered $d /dev/nonesuch 1"
bad "data is metadata" "data and metadata device are the same" "0 $sectors ordered $m $m 1"
bad "data device too small" "has $((3 * 2048)) sectors, volume 1 needs $sectors" "0 $sectors ordered $small $m 1"
bad "data device with larger blocks" "logical blocks of 4096 bytes, volume 1 was formatted for 512" \
	"0 $sectors ordered $large $m 1"
session_create a p 1
bad "data device used twice" "is in use by volume 1" "0 $sectors ordered $d $m 2"
bad "volume twice" "volume 1 is already in use by dm device" "$good"
bad "volume twice, other data" "volume 1 is already in use|remove its dm device before" "0 $sectors ordered $d2 $m 1"
bad "on a volume of its own" "is volume 1 of the same session" "0 $sectors ordered $(pvol a) $m 2"
bad "data is a session's metadata" "is the metadata device of a session" "0 $((4 * 2048)) ordered $m $(smeta a) 1"
mark
refused "a table on itself" "" dmsetup load a-p-1 --table "0 $sectors ordered $(pvol a) $m 1"
log_since | grep -qE "itself|before it is given another|is volume 1|can't be opened" || fail "no reason: $(log_since | tail -n 3)"
mark
refused "another data device by reload" "" dmsetup load a-p-1 --table "0 $sectors ordered $d2 $m 1"
log_since | grep -q "remove its dm device before it is given another" || fail "no reason: $(log_since | tail -n 3)"
cp "/dev/shm/a-pm.dev.img" /dev/shm/copy.img
copy=$(losetup -f --show /dev/shm/copy.img)
bad "copied metadata" "already active here as primary on .*cop(y|ied)" "0 $sectors ordered $d2 $copy 1"
check "messages: a wrong one" test -z "$(dmsetup message a-p-1 0 frobnicate 2>/dev/null)"
for msg in "frobnicate" "switch now" "cycle_ms" "cycle_ms x" "cycle_ms 0" "cycle_ms 3600001" "budget_mib 0"; do
	mark
	# shellcheck disable=SC2086 # words
	refused "message $msg" "" dmsetup message a-p-1 0 $msg
	log_since | grep -qE "message refused: (unknown message; known|cycle_ms must be|budget_mib must be)" ||
		fail "message '$msg' is refused without a reason"
done
check "a right message" dmsetup message a-p-1 0 cycle_ms 500
session_remove a p
same "volume 2 was not touched by the copy" "$(digest "$(pdata a 2)")" "$(head -c 4M /dev/zero | sha256sum | cut -d' ' -f1)"
untouched "wrong devices"

step "metadata devices"
blank=$(disk_loop blank 4)
foreign=$(disk_loop foreign 4)
mkfs.ext4 -q "$foreign"
tiny=$(disk_loop tiny 1)
bad "unformatted" "the device is unformatted, or the data device" "0 $sectors ordered $d $blank 1"
bad "ext4" "exchanged" "0 $sectors ordered $d $foreign 1"
bad "much too small" "at least [0-9]* KiB are needed: use a larger device" "0 $sectors ordered $d $tiny 1"
truncate -s 3M /dev/shm/copy.img; losetup -c "$copy"
bad "truncated" "metadata device is truncated: it has 768 blocks.*expected 1024" "0 $sectors ordered $d $copy 1"
refused "the tool, unformatted" "unformatted" orderedctl create x --meta "$blank" --volume 1 --data "$d"
refused "the tool, truncated" "truncated" orderedctl create x --meta "$copy" --volume 1 --data "$d"
refused "the tool, no such device" "nonesuch" orderedctl create x --meta /dev/nonesuch --volume 1 --data "$d"

# fresh: a good copy of the metadata to be spoilt.
fresh() { cp /dev/shm/a-pm.dev.img /dev/shm/copy.img; losetup -c "$copy"; }
spoil() { fresh; while [ $# -gt 0 ]; do
	# shellcheck disable=SC2086 # words
	dmometa "$copy" $1 || fail "dmometa $1"; shift; done; }
table="0 $sectors ordered $d $copy 1"

spoil "super 0 12 4 3" "super 1 12 4 3"
bad "newer format" "format version is 3, this software knows 2: use newer software" "$table"
spoil "super 0 12 4 1" "super 1 12 4 1"
bad "version 1" "format version is 1, this software knows 2: format both metadata devices again" "$table"
refused "the tool, version 1" "format version is 1.*format both metadata devices again" \
	orderedctl create x --meta "$copy" --volume 1 --data "$d"
spoil "super 0 40 8 16" "super 1 40 8 16"
bad "unknown incompat feature" "incompat features are 0x10, .*use newer software" "$table"
spoil "super 0 32 8 1" "super 1 32 8 1"
bad "unknown ro_compat feature" "ro_compat features are 0x1, .*use newer software" "$table"
spoil "super 0 12 4 3"
bad "newer format in one copy" "format version is 3" "$table"
spoil "super 0 3000 4 1" "super 1 3000 4 1"
bad "something in a place without use" "byte 3000 is 0x01, where this software has nothing: use newer software" "$table"
spoil "flip 0 100" "flip 16 100"
bad "superblock damaged in both copies" "superblock: checksum" "$table"
spoil "flip 32 200" "flip 33 200"
bad "state block damaged in both slots" "state block: (checksum|no magic)" "$table"
spoil "super 0 128 4 3" "super 1 128 4 3"
bad "no such role" "role is 3, expected" "$table"
spoil "super 0 136 8 99999999" "super 1 136 8 99999999"
bad "a size that is not the device's" "truncated: it has 1024 blocks.*expected 99999999" "$table"
untouched "wrong metadata"

# heals WHAT REGEX SPOIL: it works, says so, and activation wrote both copies anew.
heals() {
	spoil "$3"
	mark
	check "$1: works" dmsetup create good --table "0 $sectors ordered $d $copy 1"
	check "the second volume" dmsetup create good2 --table "0 $sectors ordered $d2 $copy 2"
	log_since | grep -qE "$2" || fail "$1: '$2' is not in the log: $(log_since | tail -n 3)"
	check "remove" dmsetup remove good
	check "remove" dmsetup remove good2
	mark
	check "$1: again" dmsetup create good --table "0 $sectors ordered $d $copy 1"
	if log_since | grep -q damaged; then fail "$1: not healed: $(log_since | tail -n 3)"; fi
	check "remove" dmsetup remove good
}
heals "superblock, copy 0" "superblock, copy 0 is damaged, using copy 1" "flip 0 100"
heals "superblock, copy 1" "superblock, copy 1 is damaged, using copy 0" "flip 16 100"
heals "state block, slot 0" "state block, slot 0 is damaged, using slot 1" "flip 32 100"
untouched "healing"
pass
