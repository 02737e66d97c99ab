#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: bits flipped, blocks zeroed and blocks exchanged in the superblocks, the state blocks and each record of the
# ring are found and named; nothing of a damaged cycle is ever applied, and what was committed is missed, loudly.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

img=/dev/shm/one-sm.dev.img

committed() { [ "$(sstat one cut_committed.n)" -ge "$1" ]; }
# spoil BLOCK flip|zero|swap: of the metadata device.
spoil() {
	case $2 in
	flip) dmometa "$(smeta one)" flip "$1" $((RANDOM % 512)) ;;	# a state block is no longer
	zero) dd if=/dev/zero of=$img bs=4k seek="$1" count=1 conv=notrunc status=none ;;
	swap)
		dd if=$img of=/run/a bs=4k skip="$1" count=1 status=none
		dd if=$img of=/run/b bs=4k skip=$(($1 + 1)) count=1 status=none
		dd if=/run/b of=$img bs=4k seek="$1" count=1 conv=notrunc status=none
		dd if=/run/a of=$img bs=4k seek=$(($1 + 1)) count=1 conv=notrunc status=none ;;
	esac
	blockdev --flushbufs "$(smeta one)"
}

load_module
# what isn't kept in memory is read from the ring, here with the first restore
session_make one 1 4 equal=1 cycle=3600000 smeta=4 pmeta=4
ring=$(($(orderedctl dump "$(smeta one)" --json | jq '[.. | objects | .journal? | objects | .start][0]')))
session_link one
fill "$(pvol one)" 0 0 1024
session_drain one
before=$(digest "$(sdata one)")

step "three committed cycles in the ring, not restored"
check "suspend" dmsetup suspend one-s-1
for c in 1 2 3; do
	fill "$(pvol one)" $c $((c * 10)) 4
	fill "$(pvol one)" $c 100 2
	cut[c]=$(orderedctl switch "$(pmeta one)"); cut[c]=${cut[c]##*.}
	wait_for 10 "cycle $c is committed" committed "${cut[c]}"
	dd if="$(pdata one)" of=/run/state.$c bs=1M status=none iflag=direct
done
session_unlink one
check "remove, still suspended" dmsetup remove one-s-1
cp $img /run/good
same "the data devices have nothing of them" "$(digest "$(sdata one)")" "$before"
dd if="$(sdata one)" of=/run/state.0 bs=1M status=none iflag=direct
# the blocks of the ring that these cycles take: their own bytes tell
tail=$(orderedctl dump "$(smeta one)" --json | jq '[.. | objects | .tail? | numbers] | max')
{ cmp -l -i $((ring * 4096)):0 $img /dev/zero 2>/dev/null || true; } |
	awk -v tail="$tail" '{ b = int(($1 - 1) / 4096); if (b != was && b >= tail) print b; was = b }' | sort -nu |
	head -n 27 > /run/used	# three times a header, six blocks, LAST and COMMIT
mapfile -t used < /run/used
echo "${#used[@]} blocks of the ring are in use, from $tail on, which is block $((ring + tail)) of the device"
[ ${#used[@]} = 27 ] || fail "the ring should hold more"

# judge WHAT: activate; what it says and what is applied must fit.
judge() {
	local complete committed state n=0

	dmesg -C
	dmesg -c > /dev/null
	if ! orderedctl create --meta "$(smeta one)" --map "1=$(sdata one),one-s-1" --allow-reads > /run/out 2>&1; then
		grep -qE "damaged|checksum|no magic|read|superblock|state block|journal" /run/out || fail "$1: refused without a reason: $(cat /run/out)"
		refusals=$((refusals + 1))
		return
	fi
	complete=$(sstat one cut_complete.n) committed=$(sstat one cut_committed.n) state=$(sstat one inconsistent)
	wait_for 10 "$1: restored" restored_all
	# Without the last COMMIT, which nothing follows, the ring is that of a crash in front of it.
	if [ "$complete" = "${cut[3]}" ] && [ "$committed" -lt "$complete" ]; then
		same "$1: what isn't committed" "$b" $((ring + used[26]))
		same "$1: what is" "$committed" "${cut[2]}"
		same "$1: consistent" "$state" false
		cmp -s "/run/state.2" "$(sdata one)" || fail "$1: the data is not that of the boundary it reports ($committed)"
		check "remove" dmsetup remove one-s-1
		return
	fi
	for c in 1 2 3; do [ "$complete" -lt "${cut[c]}" ] || n=$c; done
	cmp -s "/run/state.$n" "$(sdata one)" || fail "$1: the data is not that of the boundary it reports ($complete, cycle $n)"
	if [ $n -lt 3 ]; then
		[ "$state" = true ] || fail "$1: cycle 3 was committed, $n are left, and it doesn't say INCONSISTENT"
		dmesg > /run/log
		grep -qE "INCONSISTENT|damaged" /run/log || fail "$1: nothing in the log"
		missed=$((missed + 1))
	else
		same "$1: consistent" "$state" false
		whole=$((whole + 1))
	fi
	check "remove" dmsetup remove one-s-1
}
restored_all() { [[ $(sstat one cut_restored) == "$(sstat one cut_complete)" || $(sstat one cut_restored) == "$(sstat one cut_committed)" ]]; }
# again: all as it was.
again() {
	cp /run/good $img
	dd if=/run/state.0 of="$(sdata one)" bs=1M status=none oflag=direct
	blockdev --flushbufs "$(smeta one)"
}

refusals=0 missed=0 whole=0
step "records"
for ((i = 0; i < $(long 9 200); i++)); do
	again
	kinds=(flip zero swap)
	b=$((ring + used[(i * 7 + SEED) % ${#used[@]}])) kind=${kinds[i % 3]}
	spoil $b "$kind"
	judge "$kind of block $b"
done
echo "records: refused $refusals, cycles missed and said so $missed, not needed $whole"
[ $missed -gt $((i / 2)) ] || fail "only $missed of $i damages were about a cycle"

step "superblocks and state blocks"
for kind in flip zero; do
	for b in 0 16 32 33; do
		again
		spoil "$b" "$kind"
		judge "$kind of block $b"
	done
done
same "one damaged copy is survived" "$refusals" 0
for kind in flip zero; do
	again; spoil 0 $kind; spoil 16 $kind; judge "$kind of both superblocks"
	again; spoil 32 $kind; spoil 33 $kind; judge "$kind of both state blocks"
done
same "both are refused" "$refusals" 4

step "the primary's"
session_remove one p
for both in "0 16" "32 33"; do
	cp /dev/shm/one-pm.dev.img /run/goodp
	for b in $both; do
		dmometa "$(pmeta one)" flip "$b" 77
	done
	refused "both copies, blocks $both" "damaged|checksum|superblock|state block" \
		orderedctl create --meta "$(pmeta one)" --map "1=$(pdata one),one-p-1"
	cp /run/goodp /dev/shm/one-pm.dev.img
	blockdev --flushbufs "$(pmeta one)"
done

step "a full copy heals it"
again
spoil $((ring + used[1])) flip
session_create one s
session_create one p
session_link one
session_copied one
session_drain one
session_equal one
session_remove one
pass
