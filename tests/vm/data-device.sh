#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a data device that isn't the one it was, by its identity or by what it holds, is refused by name at both ends;
# --accept-data-device leads to a copy of everything, never to a claim of equality; a crash of either end, or a device
# that nobody touched, is never refused.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# activate END [OPTION...]: both volumes; what the devices are is in S_dev.
activate() {
	local end=$1; shift

	orderedctl create --meta "${S_dev[one-${end}m]}" --map "1=${S_dev[one-${end}d1]},one-$end-1" \
		--map "2=${S_dev[one-${end}d2]},one-$end-2" "$@"
}
# linear NAME DEV UUID: a device with an identity.
linear() {
	check "linear $1" dmsetup create "$1" --uuid "$3" --table "0 $(blockdev --getsz "$2") linear $2 0"
	dmsetup mknodes "$1" > /dev/null 2>&1 || true
}
exchange() {	# END: the data devices of its volumes
	local was=${S_dev[one-${1}d1]}

	S_dev[one-${1}d1]=${S_dev[one-${1}d2]}
	S_dev[one-${1}d2]=$was
}

load_module
session_make one 2 16 equal=1 cycle=100
session_link one
check "load 1" dmoload run "$(pvol one 1)" --seed 1 --ops 100 --max 64k
check "load 2" dmoload run "$(pvol one 2)" --seed 2 --ops 100 --max 64k
session_drain one
session_unlink one

step "the primary, exchanged"
session_remove one p
exchange p
refused "the primary's devices exchanged" "blocks looked at on data device .* differ" activate p
refused "nothing of it is left" "." dmsetup info one-p-1
exchange p

step "written past the target while it was inactive"
check "a write past" dd if=/dev/urandom of="$(pdata one 1)" bs=4k count=1 seek=0 oflag=direct conv=fsync status=none
refused "the primary, written past the target" "volume 1: 1 of .* differ from .*first: 0" activate p

step "the operator's word: all is copied, nothing is taken for equal"
check "the primary, accepted" activate p --accept-data-device
[[ $(session_table one p 1) != *accept* ]] || fail "the table goes on to accept: $(session_table one p 1)"

session_link one
session_copied one
session_drain one
session_equal one
session_unlink one

step "the same at the secondary"
session_remove one s
exchange s
refused "the secondary's devices exchanged" "blocks looked at on data device .* differ" activate s --allow-reads
check "the secondary, accepted" activate s --allow-reads --accept-data-device
same "it needs a copy" "$(sstat one inconsistent)" true
refused "its promotion" "INCONSISTENT" orderedctl promote "$(smeta one)"
session_link one
session_copied one
session_drain one
session_equal one
session_unlink one

step "nothing differs"
session_remove one s
check "accepted without need" activate s --allow-reads --accept-data-device
same "still a point in time" "$(sstat one inconsistent)" false
dmesg | grep -q "volume 1: accept_data_device: nothing differs" || fail "it doesn't say that nothing differs"
session_link one
session_drain one
session_unlink one

step "identities"
session_remove one
linear id-1 "${S_dev[one-pd1]}" DISK-1
linear id-2 "${S_dev[one-pd1]}" DISK-2
lower=${S_dev[one-pd1]}
S_dev[one-pd1]=/dev/mapper/id-1
check "one that had none has one now" activate p
session_remove one p
S_dev[one-pd1]=/dev/mapper/id-2
refused "another identity" "data device .* is another one, 'dm DISK-2' and not 'dm DISK-1'" activate p
check "id-1 goes" dmsetup remove id-1
check "id-2 goes" dmsetup remove id-2
S_dev[one-pd1]=$lower
refused "no identity" "is another one, 'without identity' and not 'dm DISK-1'" activate p
check "dump" orderedctl dump "$(pmeta one)"
orderedctl dump "$(pmeta one)" | grep -q "dm DISK-1" || fail "dump doesn't show the identity: $(orderedctl dump "$(pmeta one)")"
linear id-1 "$lower" DISK-1
S_dev[one-pd1]=/dev/mapper/id-1
check "the right one" activate p
session_create one s
session_link one
session_copied one
session_drain one
session_equal one
session_remove one

step "what can't be read"
# id1 TABLE: it is all that id-1 has now
id1() { dmsetup suspend id-1; dmsetup load id-1 --table "$1"; dmsetup resume id-1; }
len=$(blockdev --getsz "$lower")
id1 "0 8 error
8 $((len - 8)) linear $lower 8"
check "a bad block keeps nobody from the good ones" activate p
dmesg | grep -q "1 blocks of data device .* can't be read, to see .*first: 0" || fail "the log does not tell of the block"
session_remove one p
id1 "0 $len error"
refused "none can be read" "none of its blocks can be read: error -5" activate p
check "id-1 goes" dmsetup remove id-1
unload_module
pass
