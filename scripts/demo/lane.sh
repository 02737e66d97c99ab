#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lane.sh PORT LANE HISTORY: a client of the demo's database, which runs outside both machines. Inserts
# the rows (LANE, 1), (LANE, 2) ..., each in a transaction of its own and only after the one before was
# acknowledged, and writes at once to the file HISTORY, a line each:
#   <µs> issue LANE N   before the transaction is sent
#   <µs> ack LANE N     after the database has said that it is committed
# Ends when the database is gone.

set -euo pipefail
export LC_ALL=C
port=$1 lane=$2 history=$3
psql=/usr/lib/postgresql/15/bin/psql

# psql says "INSERT 0 1" once the server has reported the commit.
coproc db { exec "$psql" -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres demo; }
to=${db[1]} from=${db[0]}
trap '' PIPE
exec 3>> "$history"
for ((n = 1; ; n++)); do
	echo "${EPOCHREALTIME/./} issue $lane $n" >&3
	echo "INSERT INTO trace (lane, n) VALUES ($lane, $n);" >&"$to" || exit 0
	read -r answer <&"$from" || exit 0
	now=${EPOCHREALTIME/./}
	[ "$answer" = "INSERT 0 1" ] || { echo "lane $lane, row $n: '$answer'" >&2; exit 1; }
	echo "$now ack $lane $n" >&3
	sleep 0.02	# so that a fast machine does not outrun the line between the sites for long
done
