#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh: a database on two emulated sites, one of which loses its power. Run by `make demo`, which has
# installed what it needs. Succeeds only if all that it tells of was seen. Logs: build/logs/demo/.
#   DEMO_SECONDS=N     of load before the plug is pulled (default 30)
#   DEMO_CYCLE=MS, DEMO_DELAY=MS, DEMO_RATE=MBIT   cycle; delay and bandwidth each way
#   DEMO_TAMPER=SQL    run at site B before the check, to see that the check notices

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
export LC_ALL=C
# shellcheck source=scripts/machine.sh
. scripts/machine.sh

: "${DEMO_SECONDS:=30}" "${DEMO_CYCLE:=1000}" "${DEMO_DELAY:=50}" "${DEMO_RATE:=8}"
lanes=4
pg=/usr/lib/postgresql/15/bin
logs=$top/build/logs/demo
clients=()

tell() { printf '%4d s  %s\n' $SECONDS "$*"; }
more() { printf '        %s\n' "$*"; }
die() {
	trap - ERR
	printf '\nTHE DEMO FAILED: %s\nLogs are in %s\n' "$*" "${logs#"$top"/}" >&2
	exit 1
}
cleanup() {
	[ ${#clients[@]} = 0 ] || kill "${clients[@]}" 2>/dev/null || true
	machine_stop_all
}
trap cleanup EXIT
trap 'exit 143' TERM INT
set -E
trap 'die "line $LINENO: $BASH_COMMAND"' ERR

# said NAME REGEX SECONDS: wait until the machine has said it; tell why if it doesn't.
said() {
	machine_wait "$@" 2> "$logs/why" && return
	die "site ${1^^}: $(grep -hs 'SCENARIO FAIL' "$logs/$1/result" || cat "$logs/why")"
}
sql() { "$pg/psql" -X -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U postgres -d "${3:-demo}" -c "$2"; }
free_port() {
	local p

	while :; do
		p=$((20000 + RANDOM % 12000))
		ss -Hltn "sport = :$p" | grep -q . || { echo $p; return; }
	done
}

# ---------------------------------------------------------------- building and booting

[ -x $pg/postgres ] || die "PostgreSQL 15 is not installed; use make demo, which does that"
mkdir -p "$logs"
exec 8> "$logs.lock"
flock -n 8 || die "it is being run already"
rm -rf "$logs"; mkdir -p "$logs"
release=$(scripts/kernels.sh version 6.1)
tell "Building the module for Linux $release, and orderedctl."
scripts/build-module.sh 6.1 > "$logs/build" 2>&1 || die "the module doesn't build, see build/logs/demo/build"
make -C userspace >> "$logs/build" 2>&1 || die "orderedctl doesn't build, see build/logs/demo/build"

MACHINE_DIR=$logs MACHINE_KERNEL=6.1 MACHINE_MEM=1024 MACHINE_SMP=1
MACHINE_MODULE=$top/build/$release/dm-ordered.ko
MACHINE_ENV=("DEMO_UUID=$(cat /proc/sys/kernel/random/uuid)" "DEMO_CYCLE=$DEMO_CYCLE"
	     "DEMO_WAN=delay ${DEMO_DELAY}ms rate ${DEMO_RATE}mbit limit 10000")
declare -A port
for site in a b; do
	port[$site]=$(free_port)
	machine_drive $site data 256M
	machine_drive $site wal 160M
	machine_drive $site meta 256M
	machine_forward $site "${port[$site]}" 5432
done
tell "Starting two emulated machines: site A, the primary, and site B, the secondary."
machine_start b bash tests/vm/lib/enter.sh scripts/demo/site.sh site_b
machine_start a bash tests/vm/lib/enter.sh scripts/demo/site.sh site_a
said a "DATABASE UP" 240
sql "${port[a]}" "CREATE DATABASE demo" postgres
sql "${port[a]}" "CREATE EXTENSION amcheck;
	CREATE TABLE trace (lane int, n int, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (lane, n));
	CREATE TABLE bulk (t text)"
"$pg/pgbench" -h 127.0.0.1 -p "${port[a]}" -U postgres -q -i -s 1 demo > "$logs/pgbench-init" 2>&1
# Makes it keep the segments of its log for further use, so that none has to be filled with zeroes later.
sql "${port[a]}" CHECKPOINT
tell "Site A runs PostgreSQL 15: data and WAL on two volumes of one session, ext4 on both."

said b "LISTENING" 60
machine_tell a connect
said a "COPIED" 300
machine_tell b far
said b "FAR" 30
said a "FAR" 30
tell "Both volumes were copied to site B. From now on the sites are far apart:"
more "$DEMO_DELAY ms and $DEMO_RATE Mbit/s each way. A cycle is $DEMO_CYCLE ms."

# ---------------------------------------------------------------- load, and the plug

mkdir -p "$logs/history"
for ((i = 1; i <= lanes; i++)); do
	scripts/demo/lane.sh "${port[a]}" $i "$logs/history/$i" 2>> "$logs/clients" 8>&- &
	clients+=($!)
done
"$pg/pgbench" -h 127.0.0.1 -p "${port[a]}" -U postgres -n -c 2 -R 10 -T 600 demo > "$logs/pgbench" 2>&1 8>&- &
clients+=($!)
# Now and then more than the line carries in a cycle.
bulk="TRUNCATE bulk; INSERT INTO bulk SELECT repeat(md5(g::text || now()), 30) FROM generate_series(1, 1500) g"
(while sleep 3 && sql "${port[a]}" "$bulk" && sql "${port[a]}" CHECKPOINT; do :; done) > /dev/null 2>> "$logs/clients" 8>&- &
clients+=($!)
tell "$lanes clients outside both machines insert numbered rows, a transaction each; what the database"
more "acknowledges they note on the host. pgbench, bulk loads and checkpoints go on beside."

# a_says: lag in ms, newest cut committed at site B, seq of the chunk being shipped or 0; as site A knows.
a_says() {
	jq -er '.[0] | "\(.lag_ms) \(.cut_committed.n) \(if .chunk_older.state == "shipping" then .chunk_older.seq else 0 end)"' \
		"$logs/a/status" 2>/dev/null || echo 0 0 0
}
# b_complete: the newest cut that site B has completely, asked now; fails when it takes seconds to answer.
b_complete() {
	local end=$((SECONDS + 3))

	for _ in 1 2; do	# what it writes first may be of before
		rm -f "$logs/b/status"
		until [ -e "$logs/b/status" ]; do
			[ $SECONDS -lt $end ] || return 1
			sleep 0.05
		done
	done
	jq -er '.[0].cut_complete.n' "$logs/b/status"
}

acks() { cat "$logs"/history/* | grep -c ack; }

started=$SECONDS first_cut='' known='' at=0
while :; do
	machine_running a || die "site A is gone before its plug was pulled"
	for pid in "${clients[@]}"; do
		kill -0 "$pid" 2>/dev/null || die "a client ended under load: $(tail -qn 1 "$logs/clients" "$logs/pgbench" | paste -sd ' ')"
	done
	[ $((SECONDS - started)) -lt $((DEMO_SECONDS + 120)) ] ||
		die "in $((SECONDS - started)) s of load there was no moment with some cuts done and the next one under way for a second"
	sleep 0.05
	read -r lag committed shipping < <(a_says)
	: "${first_cut:=$committed}"
	if [ "$committed" != "$known" ]; then
		known=$committed at=$(acks || true)	# whatever is acknowledged from here on is behind that cut
	fi
	[ $((SECONDS - started)) -ge "$DEMO_SECONDS" ] || continue
	[ $((committed - first_cut)) -ge 5 ] || continue
	if [ "$lag" -lt 1000 ] || [ "$shipping" = 0 ]; then continue; fi
	[ $(($(acks || true) - at)) -ge 5 ] || continue
	# Look twice: stop the machine, and see whether that cut is still all that site B has.
	machine_pause a
	read -r lag committed shipping < <(a_says)
	if [ "$lag" -ge 1000 ] && complete=$(b_complete) && [ "$complete $shipping" = "$known $((known + 1))" ]; then
		break
	fi
	machine_resume a
done
machine_kill a
tell "PLUG OF SITE A PULLED in mid-load ($(date +%T)). Its last word: site B is $((lag / 1000)).$((lag % 1000 / 100)) s"
more "behind. Cut $shipping was on its way, $complete was there, $((complete - first_cut)) of them made under load."

# ---------------------------------------------------------------- site B takes over

down=$SECONDS
machine_tell b promote
said b "PROMOTED" 60
promoted=$(sed -n 's/^PROMOTED //p' "$logs/b/result")
[ "$promoted" = "cut 1.$complete" ] || die "site B had cut $complete and was promoted at $promoted"
tell "Site B promoted, at $promoted."
said b "FSCK CLEAN" 60
tell "fsck of both filesystems at site B: no damage."
said b "DATABASE UP" 240
tell "PostgreSQL runs at site B, $((SECONDS - down)) s after the plug was pulled."

[ -z "${DEMO_TAMPER:-}" ] || sql "${port[b]}" "$DEMO_TAMPER"
sql "${port[b]}" "SELECT lane, n FROM trace" | tr '|' ' ' > "$logs/present"
"$pg/pg_amcheck" -h 127.0.0.1 -p "${port[b]}" -U postgres -d demo --heapallindexed --parent-check \
	> "$logs/amcheck" 2>&1 || die "pg_amcheck finds damage: $(head -n 1 "$logs/amcheck")"
books=$(sql "${port[b]}" "SELECT (SELECT sum(abalance) FROM pgbench_accounts),
	(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches),
	(SELECT coalesce(sum(delta), 0) FROM pgbench_history), (SELECT count(*) FROM pgbench_history)")
IFS='|' read -r accounts tellers branches deltas bookings <<< "$books"
[ "$accounts $tellers $branches" = "$deltas $deltas $deltas" ] ||
	die "pgbench's books don't balance: $books"
[ "$bookings" -gt 0 ] || die "none of pgbench's transactions is at site B"
lane=$((lanes + 1))
sql "${port[b]}" "INSERT INTO trace (lane, n) VALUES ($lane, 1)" || die "site B accepts no transaction"
machine_tell b stop
said b "CHECKSUMS" 120
blocks=$(sed -n 's/^CHECKSUMS //p' "$logs/b/result")
machine_finish b 60 2> "$logs/why" ||
	die "site B: $(grep -hs 'SCENARIO FAIL' "$logs/b/result" || cat "$logs/why")"
grep -qx "SCENARIO PASS" "$logs/b/result" || die "site B did not stop as it should"
tell "The database finds no damage: every table row and index entry (pg_amcheck), the checksums of"
more "all $blocks blocks, the sums over $bookings transactions of pgbench; and it takes new ones."

# ---------------------------------------------------------------- the verdict

wait "${clients[@]}" 2>/dev/null || true	# they ended with site A
clients=()
verdict=$(scripts/demo/verdict.sh "$logs/present" "$logs"/history/* 2>&1) || die "${verdict#verdict: }"
echo "$verdict" > "$logs/verdict"
declare -A v
while IFS='=' read -r name value; do v[$name]=$value; done <<< "$verdict"
defects=$(scripts/scan-log.sh "$logs"/*.console "$logs/b/dmesg") || die "a kernel log tells of a defect: ${defects%%$'\n'*}"

cat <<-END

	What the clients were told, and what site B has:
	  acknowledged at site A  ${v[acked]} transactions, in ${v[lanes]} lanes
	  of these at site B      ${v[kept]}$([ "${v[unanswered]}" = 0 ] || echo ", and ${v[unanswered]} whose acknowledgement never came")
	  lost                    ${v[lost]}: the last ${v[lost_seconds]} s, as replication is asynchronous
	  order                   gapless: each lane has its first rows and no other; and none that was sent
	                          after the acknowledgement of one that is missing, in any lane
	All of it took $SECONDS s.
END
rm -f "$logs"/*.img
