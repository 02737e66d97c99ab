#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the secondary's machine is killed and comes back, and replication goes on by itself; the primary's is killed
# under load, and what the promoted secondary has is a whole file system with a gapless history of files.
# Kernels: 6.1
# Machines: 2
# Limit: 200
# Mem: 768

# Files are numbered; a file counts as acknowledged when fsync of it and its directory have returned.

setup() {
	local role=$1

	net_machine
	. "$DMO_TOP/tests/vm/lib/ordered.sh"
	load_module
	meta=$(drive meta) data=$(drive data)
	[ "$DMO_BOOT" != 1 ] || check "format" orderedctl format --role "$role" --plain --cycle-ms 300 --link-timeout 3000 \
		--uuid 5e55107e-0000-4000-8000-00000000abcd --volume "1:$data" "$meta"
	check "create" orderedctl create db --meta "$meta" --volume 1 --data "$data"
}

primary() {
	local n=0

	setup primary
	orderedctl connect "$meta" 10.77.0.2:7788 --keep >> /outbox/keep 2>&1 &
	mkfs.ext4 -q /dev/mapper/db
	mkdir -p /mnt
	mount /dev/mapper/db /mnt
	say "MOUNTED"
	while :; do
		n=$((n + 1))
		{ echo "file $n"; head -c 20000 /dev/urandom | base64; echo "end of $n"; } > "/mnt/$n.tmp"
		sync "/mnt/$n.tmp"
		mv "/mnt/$n.tmp" "/mnt/$n"
		sync /mnt
		say "ACK $n"
		if [ $((n % 5)) = 0 ]; then
			say "COMMITTED $(status_field "$meta" cut_committed.n) LINK $(status_field "$meta" link_state) N $n"
		fi
		if [ -e /outbox/told-drain ] && [ ! -e /run/drained ]; then
			touch /run/drained
			check "drain" orderedctl drain "$meta" --timeout 60
			say "DRAINED $n"
		fi
	done
}

secondary() {
	local n=0 last

	setup secondary
	orderedctl listen "$meta" 7788 --keep >> /outbox/keep 2>&1 &
	echo $! > /run/keep.pid
	wait_stat 60 "$meta" link_state up
	say "LINKED"
	[ "$DMO_BOOT" != 1 ] || wait_stat 90 "$meta" inconsistent false
	wait_stat 60 "$meta" inconsistent false
	say "CONSISTENT"
	heed promote 300
	kill "$(cat /run/keep.pid)"; wait || true
	check "promotion" orderedctl promote "$meta"
	say "PROMOTED $(status_field "$meta" cut.n)"
	e2fsck -fp /dev/mapper/db > /run/fsck 2>&1 || [ $? = 1 ] || fail "fsck replay: $(tail -n 5 /run/fsck)"
	check "fsck finds nothing more" e2fsck -fn /dev/mapper/db
	mkdir -p /mnt
	check "mount" mount /dev/mapper/db /mnt
	while [ -e "/mnt/$((n + 1))" ]; do
		n=$((n + 1))
		[ "$(head -n 1 "/mnt/$n")" = "file $n" ] || fail "file $n begins with $(head -c 40 "/mnt/$n")"
		[ "$(tail -n 1 "/mnt/$n")" = "end of $n" ] || fail "file $n has no end"
	done
	last=$(find /mnt -maxdepth 1 -name '[0-9]*' ! -name '*.tmp' | wc -l)
	same "there is no gap" "$last" "$n"
	say "FILES $n"
	check "it can be written" dd if=/dev/urandom of=/mnt/new bs=1M count=1 conv=fsync status=none
	umount /mnt
	check "fsck at the end" e2fsck -fn /dev/mapper/db
}

acked() { sed -n 's/^ACK //p' "$MACHINE_DIR/a/result" | tail -n 1; }

host() {
	local before drained n last

	machine_drive a data 48M; machine_drive a meta 16M
	machine_drive b data 48M; machine_drive b meta 16M
	guest_start b secondary
	guest_start a primary
	machine_wait b "CONSISTENT" 120
	machine_wait a "ACK 3$" 60
	echo "the secondary's plug"
	machine_kill b
	before=$(acked)
	guest_start b secondary
	machine_wait b "LINKED" 90
	machine_wait b "CONSISTENT" 60
	n=$(acked)
	[ "$n" -gt "$before" ] || host_fail "the primary wrote nothing while the secondary was away ($before, $n)"
	machine_tell a drain
	machine_wait a "^DRAINED" 60
	drained=$(sed -n 's/^DRAINED //p' "$MACHINE_DIR/a/result")
	machine_wait a "^ACK $((drained + 6))\$" 60
	echo "the primary's plug"
	machine_kill a
	last=$(acked)
	machine_tell b promote
	machine_finish b 120
	n=$(sed -n 's/^FILES //p' "$MACHINE_DIR/b/result")
	echo "acknowledged $last, drained $drained, there $n"
	[ "$n" -ge "$drained" ] || host_fail "$n files are there, $drained were drained"
	[ "$n" -le $((last + 1)) ] || host_fail "$n files are there, $last were acknowledged"
	scenario_pass
}
