#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: the bytes that go over the line, both ways, for the same writes by ordered and by protocol A of DRBD 8.4: uniform,
# zipf 0.99, PostgreSQL's pgbench; beside them what the host wrote, and what of that was distinct in each cycle.
# Kernels: 6.1
# Needs: drbdmeta:drbd-utils /lib/drbd/drbdsetup-84:drbd-utils module/drbd:linux-image-amd64 /usr/lib/postgresql/15/bin/postgres:postgresql-15
# Machines: 1
# Icount: 1
# Limit: 400
# Mem: 2560
# Append: clearcpuid=erms,fsrm
# Plot: bytes|bars|Bytes on the line, 20 ms RTT, 200 Mbit/s||to the bytes that the host wrote

pg=/usr/lib/postgresql/15
bench_programs="$pg/bin/postgres $pg/bin/initdb $pg/bin/pg_ctl $pg/bin/pgbench setpriv chown mkfs.ext4"
bench_files="/etc/group $pg/lib/dict_snowball.so $pg/lib/plpgsql.so /usr/share/postgresql/15"
bench_modules="ext4"
. "$DMO_TOP/tests/bench/drbd.sh"
. "$DMO_TOP/tests/bench/lib.sh"

rtt=20 line=200mbit rate=4000
trace=/sys/kernel/tracing
declare -A bytes

# A disk of 10 us for nothing but this.
disk_10us() { S_dev[$1]=$(disk_null "$1" "$2" irqmode=2 completion_nsec=10000 blocksize=512 cache_size=0); }

# ---- the loads: of DEVICE, from the first write until the last one is acknowledged ----

load_uniform() { io "$1" --area 0M:32M --depth 16 --rate $rate --ops $((rate * $(long 5 30))) --seed 5; }
load_zipf() { io "$1" --area 0M:32M --depth 16 --rate $rate --ops $((rate * $(long 5 30))) --seed 6 --zipf 990; }

as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups env HOME=/ LC_ALL=C TZ=GMT "$@"; }
database_start() {
	as_postgres $pg/bin/pg_ctl -D /srv/pg/data -l /run/pg/log -w -t 240 -o "-k /run/pg" start > /run/pg/ctl 2>&1 ||
		fail "PostgreSQL does not start: $(tail -n 3 /run/pg/ctl /run/pg/log)"
}
database_stop() { check "stopping the database" as_postgres $pg/bin/pg_ctl -D /srv/pg/data -w -t 120 -m fast stop; }

# database_make FILE: an ext4 of 184 MiB with a database in it that is shut down.
database_make() {
	local loop

	truncate -s 184M "$1"
	check "mkfs" mkfs.ext4 -q -b 4096 -m 0 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$1"
	loop=$(losetup -f --show "$1")
	mkdir -p /srv/pg /run/pg
	check "mount" mount -t ext4 "$loop" /srv/pg
	chown postgres /srv/pg /run/pg
	check "initdb" as_postgres $pg/bin/initdb -D /srv/pg/data --locale=C --encoding=UTF8 --auth=trust --wal-segsize=4 \
		--no-sync --no-instructions
	cat >> /srv/pg/data/postgresql.conf <<-'C'
		listen_addresses = ''
		shared_buffers = 24MB
		checkpoint_timeout = 1h
		min_wal_size = 32MB
		max_wal_size = 64MB
		autovacuum = off
		jit = off
	C
	database_start
	check "pgbench -i" as_postgres $pg/bin/pgbench -h /run/pg -q -i -s 2 postgres
	database_stop
	check "umount" umount /srv/pg
	losetup -d "$loop"
}
load_pgbench() {
	local out

	check "mount" mount -t ext4 "$1" /srv/pg
	database_start
	out=$(as_postgres $pg/bin/pgbench -h /run/pg -n -c 4 -t "$(long 250 2500)" --random-seed=7 postgres 2>&1) || fail "pgbench: $out"
	grep -q "transactions actually processed: $(long 1000 10000)/" <<< "$out" || fail "pgbench: $out"
	database_stop
	check "umount" umount /srv/pg
}

# ---- the lines ----

# An interface counts the header of a large packet once; its queue counts that of each segment which would go over an Ethernet.
drbd_bytes() { cat /sys/class/net/lo/statistics/tx_bytes; }
drbd_segments() { segments tc; }
# shellcheck disable=SC2016 # awk's
ordered_bytes() { in_pri awk '$1 == "eth0:" { print $2 + $10 }' /proc/net/dev; }
ordered_segments() { echo $(($(segments in_pri tc) + $(segments in_sec tc))); }
segments() { "$@" -s qdisc show | awk '$1 == "qdisc" { netem = $2 == "netem" } $1 == "Sent" && netem { n += $2 } END { print n + 0 }'; }

# drbd_settled, ordered_settled SESSION: all of it is over.
drbd_settled() {
	local before=-1 now i

	for ((i = 0; i < 60; i++)); do
		now=$(drbd_bytes)
		[ "$now" != "$before" ] || return 0
		before=$now
		sleep 1
	done
	fail "DRBD has not become silent"
}
ordered_settled() { session_drain "$1"; }

# counted SIDE LOAD DEVICE [SESSION]: sets bytes[SIDE LOAD] and bytes[SIDE LOAD segments].
counted() {
	local what="$1 $2"

	"$1_settled" "${4:-}"
	bytes[$what]=$("$1_bytes") bytes[$what segments]=$("$1_segments")
	"load_$2" "$3"
	"$1_settled" "${4:-}"
	bytes[$what]=$(($("$1_bytes") - ${bytes[$what]}))
	bytes[$what segments]=$(($("$1_segments") - ${bytes[$what segments]}))
}

# ---- both ----

# by_drbd LOAD...: on a pair of disks, r0 and r1, which are equal.
by_drbd() {
	local load

	step "DRBD: $*"
	drbd_up "${S_dev[r0]}" "${S_dev[r1]}"
	drbd_line $rtt $line
	drbd_connect A
	for load in "$@"; do
		counted drbd "$load" /dev/drbd0
		figure "$load: bytes sent by DRBD A" "${bytes[drbd $load]}" bytes
	done
	drbd_down
}

# by_ordered SESSION LOAD CYCLE: what went over the line, against what dmo_write says that was written in each cycle.
by_ordered() {
	local name=$1 load=$2 cycle=$3 out ops written distinct what; what="$load, cycles of $(calc "$3 / 1000") s"

	step "ordered: $what"
	bench_cycle "$name" "$cycle"
	echo > $trace/trace
	echo 1 > $trace/events/dm_ordered/dmo_write/enable
	counted ordered "$load" "$(pvol "$name")" "$name"
	echo 0 > $trace/events/dm_ordered/dmo_write/enable
	cat $trace/trace > /run/trace
	out=$(distinct_bytes /run/trace) || fail "trace events were lost"
	read -r ops written distinct <<< "$out"
	[ "$ops" -gt 0 ] || fail "no write was traced"
	figure "$what: bytes written" "$written" bytes
	figure "$what: distinct bytes changed" "$distinct" bytes
	figure "$what: bytes sent by ordered" "${bytes[ordered $load]}" bytes
	figure "$what: bytes sent, to distinct" "$(ratio "${bytes[ordered $load]}" "$distinct")" x max 1.03
	figure "$what: bytes sent as segments of 1500, to distinct" "$(ratio "${bytes[ordered $load segments]}" "$distinct")" x
	figure "$what: bytes sent, to DRBD A" "$(ratio "${bytes[ordered $load]}" "${bytes[drbd $load]}")" x \
		${4:+max "$4"}
	point bytes "distinct in a cycle" "$what" "$(ratio "$distinct" "$written")"
	point bytes ordered "$what" "$(ratio "${bytes[ordered $load]}" "$written")"
	point bytes "DRBD A" "$what" "$(ratio "${bytes[drbd $load]}" "$written")"
}

# distinct_bytes TRACE: writes, their bytes, and how many of these are distinct within their cycles: in units of 4 KiB blocks, or
# sectors if there are writes of less. Fails if events were lost.
distinct_bytes() {
	awk '
	BEGIN { unit = 8 }
	/^# entries-in-buffer\/entries-written:/ { split($3, n, "/"); if (n[1] != n[2]) lost = 1 }
	/LOST/ { lost = 1 }
	!/ dmo_write: / { next }
	{
		for (i = 5; i <= NF; i++) if (split($i, w, "=") == 2) v[w[1]] = w[2]
		if (v["zero"] != "0") next
	}
	NR == FNR { if (v["lba"] % 8 || v["sectors"] % 8) unit = 1; next }
	{
		ops++; bytes += v["sectors"] * 512
		for (b = v["lba"]; b < v["lba"] + v["sectors"]; b += unit)
			if (!((v["seq"], b) in seen)) { seen[v["seq"], b] = 1; units++ }
	}
	END { print ops + 0, bytes + 0, units * unit * 512; exit lost }' "$1" "$1"
}

load_module
mountpoint -q $trace || mount -t tracefs tracefs $trace
echo 32768 > $trace/buffer_size_kb
net_sites
bench_line $rtt $line

for i in r0 r1 o-pd1 o-sd1; do bench_disk slow $i 64; done
by_drbd uniform zipf
for i in r0 r1; do null_power_off $i; rmdir /sys/kernel/config/nullb/$i; done
bench_session o 1 64
by_ordered o uniform 5000
by_ordered o zipf 5000 0.4
by_ordered o zipf 1000 0.4
session_equal o
session_remove o

database_make /run/pg.img
for i in r0 r1 p-pd1 p-sd1; do
	disk_10us $i 192
	check "copy" dd if=/run/pg.img of="${S_dev[$i]}" bs=1M conv=sparse oflag=direct status=none
done
rm /run/pg.img
by_drbd pgbench
bench_session p 1 192
by_ordered p pgbench 1000
session_equal p
session_remove p
bench_pass
