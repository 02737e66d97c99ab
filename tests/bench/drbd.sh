# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# drbd.sh: a DRBD 8.4 to measure beside: both ends in one kernel, minors 0 and 1, over the loopback interface. To be sourced
# before lib.sh. The bench's header says
#   # Needs: drbdmeta:drbd-utils /lib/drbd/drbdsetup-84:drbd-utils module/drbd:linux-image-amd64

drbd=/lib/drbd/drbdsetup-84
bench_programs="${bench_programs:-} drbdmeta $drbd" bench_modules="${bench_modules:-} drbd"

# drbd_up DEVICE0 DEVICE1: equal ones, internal metadata at their ends; /dev/drbd0 is the primary, unconnected.
drbd_up() {
	local i

	ip link set lo mtu 1500
	ip link set lo up
	echo /none > /sys/module/drbd/parameters/usermode_helper
	mkdir -p /var/lock /var/lib/drbd
	for i in 0 1; do
		check "DRBD: metadata $i" drbdmeta --force $i v08 "$1" internal create-md
		check "DRBD: resource $i" $drbd new-resource r$i
		check "DRBD: minor $i" $drbd new-minor r$i $i 0
		check "DRBD: attach $i" $drbd attach $i "$1" "$1" internal
		shift
	done
	drbd_connect A
	check "DRBD: no first copy" $drbd new-current-uuid 0 --clear-bitmap
	check "DRBD: primary" $drbd primary 0
	drbd_disconnect
	mknod /dev/drbd0 b 147 0 2>/dev/null || true
}
# drbd_connect PROTOCOL
drbd_connect() {
	check "DRBD: connect 0" $drbd connect r0 127.0.0.1:7001 127.0.0.1:7002 --protocol "$1"
	check "DRBD: connect 1" $drbd connect r1 127.0.0.1:7002 127.0.0.1:7001 --protocol "$1"
	wait_for 60 "DRBD: connected" drbd_is Connected
}
drbd_is() { [ "$($drbd cstate 0)" = "$1" ]; }
drbd_disconnect() {
	check "DRBD: disconnect 0" $drbd disconnect 127.0.0.1:7001 127.0.0.1:7002
	$drbd disconnect 127.0.0.1:7002 127.0.0.1:7001 || true	# it may have heard of it
}
# drbd_line RTT RATE: the line between the two ends.
drbd_line() { tc qdisc replace dev lo root netem delay "$(($1 * 500))us" limit 100000 rate "$2"; }
# drbd_down: and away.
drbd_down() {
	local i

	tc qdisc del dev lo root
	for i in 0 1; do $drbd down r$i || true; done
}
