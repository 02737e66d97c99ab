# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# site.sh: what the two machines of scripts/demo.sh do, run by tests/vm/lib/enter.sh with the helpers of
# guest.sh there. Machine a is site A, the primary; b is site B, the secondary.

pg=/usr/lib/postgresql/15/bin
pgdata=/srv/demo/data pgwal=/srv/demo/wal	# where the two volumes are mounted

# ---------------------------------------------------------------- both sites

site_network() {
	net_machine
	ip link set eth1 up		# where clients come from
	ip addr add 10.0.2.15/24 dev eth1
}

# site_session ROLE: one session of two volumes, /dev/mapper/data and /dev/mapper/wal.
site_session() {
	local meta; meta=$(drive meta)

	load_module
	check "format" orderedctl format --role "$1" --uuid "$DEMO_UUID" --label demo --plain \
		--cycle-ms "$DEMO_CYCLE" --budget-mib 64 \
		--volume "1:$(drive data)" --volume "2:$(drive wal)" "$meta"
	check "create" orderedctl create --meta "$meta" --map "1=$(drive data),data" --map "2=$(drive wal),wal"
}

site_mount() {
	mkdir -p $pgdata $pgwal
	check "mounting data" mount -t ext4 /dev/mapper/data $pgdata
	check "mounting WAL" mount -t ext4 /dev/mapper/wal $pgwal
}

site_umount() {
	check "unmounting data" umount $pgdata
	check "unmounting WAL" umount $pgwal
}

# tell_status: keep what the session says of itself in a file that the host sees.
tell_status() {
	renice -n -15 $BASHPID > /dev/null
	while orderedctl status demo --json > /outbox/status.new; do
		mv /outbox/status.new /outbox/status
		sleep 0.1
	done
}

as_postgres() { setpriv --reuid postgres --regid postgres --init-groups env HOME=/ "$@"; }

database_start() {
	install -d -o postgres /run/postgresql
	touch /outbox/postgres.log; chown postgres /outbox/postgres.log
	as_postgres $pg/pg_ctl -D $pgdata/pg -l /outbox/postgres.log -w -t 240 start > /outbox/pg_ctl.log 2>&1 ||
		fail "PostgreSQL does not start: $(tail -n 3 /outbox/postgres.log)"
}

# ---------------------------------------------------------------- site A

database_create() {
	chown postgres $pgdata $pgwal
	check "initdb" as_postgres $pg/initdb -D $pgdata/pg -X $pgwal/pg --data-checksums --locale=C \
		--encoding=UTF8 --auth=trust --wal-segsize=4 --no-sync --no-instructions
	echo 'host all postgres 10.0.2.2/32 trust' >> $pgdata/pg/pg_hba.conf
	# Everything that keeps a commit safe is on; the rest is small.
	cat >> $pgdata/pg/postgresql.conf <<-'C'
		fsync = on
		synchronous_commit = on
		full_page_writes = on
		listen_addresses = '10.0.2.15'
		shared_buffers = 24MB
		max_connections = 30
		checkpoint_timeout = 30s
		min_wal_size = 64MB
		max_wal_size = 96MB
		jit = off
	C
	sync
}

copied() {
	orderedctl status demo --json |
		jq -e '.[0] | .state == "replicating" and (.peer_inconsistent | not) and (.copy_pending | not)'
}

site_a() {
	local v

	site_network
	site_session primary
	for v in data wal; do
		check "mkfs $v" mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/$v
	done
	site_mount
	step "initdb"
	database_create
	step "start"
	database_start
	say "DATABASE UP"

	heed connect 600
	step "connect"
	orderedctl connect demo 10.77.0.2:7000 --keep &
	wait_for 300 "full copy" copied
	check "drain" orderedctl drain demo --timeout 120
	orderedctl status demo
	say "COPIED"

	# From here on the sites are far apart.
	need_module sch_netem
	# shellcheck disable=SC2086 # words
	tc qdisc add dev eth0 root netem $DEMO_WAN
	say "FAR"
	tell_status		# until the plug is pulled
}

# ---------------------------------------------------------------- site B

site_b() {
	local v out keeper teller

	site_network
	site_session secondary
	need_module sch_netem
	orderedctl listen demo 7000 --keep &
	keeper=$!
	say "LISTENING"
	heed far 600
	# shellcheck disable=SC2086 # words
	tc qdisc add dev eth0 root netem $DEMO_WAN
	tell_status &
	teller=$!
	say "FAR"

	heed promote 600
	kill $teller $keeper
	orderedctl status demo
	out=$(orderedctl promote demo 2> /outbox/promote) || fail "$(tail -n 1 /outbox/promote)"
	say "PROMOTED ${out%%, *}"

	# ext4's own journal is replayed by mounting, as anybody would; then all of it is checked.
	site_mount
	site_umount
	for v in data wal; do
		e2fsck -fn /dev/mapper/$v > /outbox/fsck-$v 2>&1 ||
			fail "e2fsck finds damage on $v: $(sed -n '2,4p' /outbox/fsck-$v | paste -sd ' ')"
		cat /outbox/fsck-$v
	done
	say "FSCK CLEAN"

	site_mount
	database_start
	say "DATABASE UP"

	heed stop 600
	check "stopping the database" as_postgres $pg/pg_ctl -D $pgdata/pg -w -t 120 -m fast stop
	out=$(as_postgres $pg/pg_checksums --check -D $pgdata/pg) || fail "pg_checksums: $out"
	say "CHECKSUMS $(sed -n 's/^Blocks scanned: *//p' <<< "$out")"
	site_umount
}
