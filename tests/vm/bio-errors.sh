#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: random I/O errors of every device of either side, in a kernel that checks memory and locking: the host gets an
# error only from its own data device, what fails says so, and when the devices are good again both ends are bit-equal.
# Kernels: debug
# Machines: 1
# Cpus: 2
# Limit: 300
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
. "$DMO_TOP/tests/vm/lib/fault.sh"

# Each way to make DISK (a-pd1, a-sm ...) bad; `heal` ends it.
bad_bio() { fault_bio "$2" "${S_dev[$1.lower]}"; }
bad_flakey() { disk_table "$1" "0 $(blockdev --getsz "${S_dev[$1.lower]}") flakey ${S_dev[$1.lower]} 0 1 1"; }
bad_dust() {
	local i n

	n=$(($(blockdev --getsz "${S_dev[$1.lower]}") / 8))
	disk_table "$1" "0 $((n * 8)) dust ${S_dev[$1.lower]} 0 4096"
	for ((i = 0; i < 20; i++)); do dmsetup message "$1" 0 addbadblock $((RANDOM % n)) 2> /dev/null || true; done
	dmsetup message "$1" 0 enable
}

# phase DISK WAY [PERCENT]: load while DISK is bad, then all must become good again.
phase() {
	local disk=$1 way=$2 end=${1:2:1} i
	local -a errors=()

	step "$1: $2 ${3:-}"
	[ "$disk" != a-pd1 ] || errors=(--errors)
	load_start "$(pvol a)" --seed "$RANDOM" --seconds 600 --lanes 2 --max 64k --pause 2000 --verify --discard 3 --zero 3 --fua 5 --flush 5 \
		--hot 20 "${errors[@]}"
	"bad_$way" "$disk" "${3:-}"
	# And until a bio has failed: a primary writes to its metadata device only when something is set.
	i=0
	while [ $i -lt "$(long 3 15)" ] || { [ "$way" = bio ] && [ $i -lt 100 ] && ! fault_hit fail_make_request; }; do
		i=$((i + 1))
		sleep 0.7
		orderedctl set "$(pmeta a)" --cycle-ms $((50 + i)) > /dev/null 2>&1 || true
		orderedctl switch "$(pmeta a)" > /dev/null 2>&1 || true
	done
	echo "state: $(pstat a state), block $(pstat a block), $(sstat a state), inconsistent $(sstat a inconsistent)"
	if [ "$way" = bio ]; then
		fault_bio_off "${S_dev[$disk.lower]}"
	else
		disk_good "$disk" "${S_dev[$disk.lower]}"
	fi
	load_stop "$(pvol a)"
	# A metadata device that failed is done with until the session is activated again; that, and nothing else, needs it.
	if [ "$(status_field "${S_dev[a-${end}m]}" state)" = failed ]; then
		[ "$disk" = "a-${end}m" ] || fail "$disk failed, and so did the session: $(status_field "${S_dev[a-${end}m]}" reason)"
		# Whoever keeps the link ends when there is no session.
		while read -r i; do kill "$i" 2> /dev/null || true; wait "$i" || true; done < /run/keep-a.pids
		session_remove a "$end"
		session_create a "$end"
		session_keep_link a
	fi
	while read -r i; do
		kill -0 "$i" || fail "the keeper of a link has ended: $(tail -n 1 /run/keep-p-a /run/keep-s-a)"
	done < /run/keep-a.pids
	wait_for 30 "the link" s_is "$(pmeta a)" link_state up
	session_copied a
	session_drain a
	session_equal a
}

load_module
session_make a 1 8 disk=lin+loop mdisk=lin+loop pmeta=16 smeta=16 cycle=50 budget=8
events_start
session_keep_link a
wait_for 30 "the link" s_is "$(pmeta a)" link_state up
session_copied a

phase a-pd1 bio 5
phase a-sd1 bio 5
phase a-pm bio 50
phase a-sm bio 2
phase a-pd1 dust
if [ "$LONG" = 1 ]; then
	for disk in a-pd1 a-sd1 a-pm a-sm; do
		for way in "bio 1" "bio 30" dust flakey; do
			# shellcheck disable=SC2086 # words
			phase $disk $way
		done
	done
fi
events_stop
grep -q ' error .*volume 1: a write to the data device failed' /run/events || fail "no event tells of the failed writes"
session_keep_stop a
pass
