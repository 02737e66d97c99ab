#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# verdict.sh PRESENT HISTORY...: judge the rows found after the disaster, a line "LANE N" each in the
# file PRESENT, by the histories that lane.sh wrote. Fails, and says why, unless
#   - every row found was issued, and is there once;
#   - each lane's rows are 1, 2 ... without a gap;
#   - no row is there that was issued after the acknowledgement of one that is missing, in any lane;
#   - some acknowledged rows are there and some are missing (else nothing was shown).
# Prints NAME=VALUE lines: lanes, acked, there (all rows found), kept (of the acknowledged), unanswered
# (found, acknowledgement never seen), lost, lost_seconds (newest acknowledged less newest found, by
# the history's clock), pairs (how many pairs of rows the order was checked for: see the END below).

set -euo pipefail
[ $# -ge 2 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
present=$1; shift

LC_ALL=C awk '
function bad(words) { print "verdict: " words > "/dev/stderr"; failed = 1; exit 1 }

# the histories
FILENAME != present {
	if (NF != 4 || ($2 != "issue" && $2 != "ack"))
		bad(FILENAME ":" FNR ": no line of a history: " $0)
	lane = $3; n = $4 + 0; k = lane SUBSEP n
	if ($2 == "issue") {
		if (n != issued[lane] + 1 || acked[lane] != issued[lane])
			bad(FILENAME ":" FNR ": issued out of turn: " $0)
		issued[lane] = n; issue[k] = $1 + 0
	} else {
		if (n != issued[lane] || n != acked[lane] + 1 || $1 + 0 < issue[k])
			bad(FILENAME ":" FNR ": acknowledged out of turn: " $0)
		acked[lane] = n; ack[k] = $1 + 0; all++
		if ($1 + 0 > newest_ack) newest_ack = $1 + 0
	}
	next
}

# the rows found
{
	lane = $1; n = $2 + 0; k = lane SUBSEP n
	if (NF != 2)
		bad(FILENAME ":" FNR ": not LANE N: " $0)
	if (!(k in issue))
		bad("lane " lane ": row " n " is there and was never issued")
	if (k in found)
		bad("lane " lane ": row " n " is there twice")
	found[k] = 1; there++
	if (n > top[lane]) top[lane] = n
	t = issue[k]
	if (k in ack) { kept++; t = ack[k] }
	if (t > newest_found) newest_found = t
}

END {
	if (failed) exit 1
	for (lane in issued) {
		lanes++
		for (n = 1; n <= top[lane]; n++)
			if (!((lane, n) in found))
				bad("lane " lane ": row " n " is missing though row " top[lane] " is there: a gap")
	}
	# Of each lane the first that is missing was acknowledged earliest. No lane may have a row that
	# was issued later. Any other pair of rows in the wrong order would make one of these wrong.
	for (x in issued) {
		if (!((x, top[x] + 1) in ack)) continue
		for (y in issued) {
			if (!top[y]) continue
			pairs++
			if (issue[y, top[y]] > ack[x, top[x] + 1])
				bad("row " top[y] " of lane " y " is there, issued after row " top[x] + 1 " of lane " x \
				    " was acknowledged, and that is missing: not a prefix")
		}
	}
	if (!all) bad("nothing was acknowledged")
	if (!kept) bad("none of the " all " acknowledged rows is there")
	if (kept == all) bad("all " all " acknowledged rows are there: the plug was not pulled ahead of the replication")
	printf "lanes=%d\nacked=%d\nthere=%d\nkept=%d\nunanswered=%d\nlost=%d\nlost_seconds=%.1f\npairs=%d\n",
		lanes, all, there, kept, there - kept, all - kept, (newest_ack - newest_found) / 1e6, pairs
}' present="$present" "$@" "$present"
