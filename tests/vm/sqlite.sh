#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a SQLite database with a write-ahead log on one volume, another with a rollback journal on a second one,
# transactions in turns: after a lost link and promotion both are sound and their last transactions fit.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 640

. "$DMO_TOP/tests/vm/lib/far.sh"

# The transactions: k is in the first database (WAL) before it is begun in the second, and said when in both.
transactions() {
	echo ".bail on"
	echo "pragma main.journal_mode=wal; pragma main.synchronous=full; pragma main.wal_autocheckpoint=30;"
	echo "attach '/mnt/pb/b.db' as b; pragma b.journal_mode=delete; pragma b.synchronous=extra;"
	for db in main b; do
		echo "create table $db.t(k integer primary key, pad blob); create index $db.i on t(pad);"
		echo "create table $db.last(n); insert into $db.last values(0);"
	done
	awk 'BEGIN { for (k = 1; k < 1000000; k++) {
		for (db = 1; db <= 2; db++) {
			s = db == 1 ? "main" : "b"
			print "begin; insert into " s ".t values(" k ", randomblob(" k * 7919 % 3000 ")); " \
			      "delete from " s ".t where k <= " k " - 60; update " s ".last set n = " k "; commit;"
		}
		print "select " k ";"
	} }'
}
said() { grep -E '^[0-9]+$' /run/said | tail -n 1; }

# last DATABASE: the number of its newest transaction; fails unless the database is sound.
last() {
	local out

	out=$(sqlite3 "$1" "pragma integrity_check; select n from last; select count(*) from t;
		select max(k) from t; select min(k) from t;" | paste -sd ' ')
	[[ $out =~ ^ok\ ([0-9]+)\ ([0-9]+)\ ([0-9]+)\ ([0-9]+)$ ]] || fail "$1: $out"
	last=${BASH_REMATCH[1]}
	same "$1: last, number, newest and oldest of its rows" "${BASH_REMATCH[*]:2}" \
		"$((last < 60 ? last : 60)) $last $((last < 60 ? 1 : last - 59))"
}

load_module
session_make one 2 16 equal=1 timeout=1000
session_link one
mkdir -p /mnt/pa /mnt/pb /mnt/a /mnt/b
check "mkfs" mkfs.ext4 -q "$(pvol one 1)"
check "mkfs" mkfs.ext4 -q "$(pvol one 2)"
mount "$(pvol one 1)" /mnt/pa
mount "$(pvol one 2)" /mnt/pb

step "transactions"
mkfifo /run/sql
transactions > /run/sql &
stdbuf -oL sqlite3 /mnt/pa/a.db < /run/sql > /run/said 2>&1 &
database=$!
wait_for 20 "the first transactions" said
bounds_start one said
far_worth one
far_random

step "the link breaks"
net_cut
sleep 0.3
bounds_stop one
kill -0 $database || fail "SQLite ended: $(tail -n 3 /run/said)"
kill -KILL $database
wait $database || true
written=$(said)
umount /mnt/pa /mnt/pb
far_promote one

step "what is there"
check "mount" mount "$(svol one 1)" /mnt/a
check "mount" mount "$(svol one 2)" /mnt/b
last /mnt/a/a.db; a=$last
last /mnt/b/b.db; b=$last
least=$(bound_at one "$far_cut")
say "TRANSACTIONS $a and $b, at least $least, at most $((written + 1))"
[ "$a" = "$b" ] || [ "$a" = $((b + 1)) ] || fail "the first database is at $a, the second at $b"
[ "$b" -ge "$least" ] || fail "cut $far_cut must have $least transactions"
[ "$a" -le $((written + 1)) ] || fail "$a transactions are there, $written were made"
echo "ok: a prefix"
umount /mnt/a /mnt/b
session_remove one s
pass
