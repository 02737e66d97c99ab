#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compare.sh OLD NEW: what changed by more than 1 % between two results of run.sh, and what is in one only. What was measured
# in real time is marked: there 1 % is noise.

set -euo pipefail
[ $# = 2 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for f in "$@"; do
	[ -r "$f" ] || { echo "compare.sh: can't read $f" >&2; exit 1; }
	jq -e '.format == 1' "$f" > /dev/null 2>&1 || { echo "compare.sh: $f is no result of a bench run" >&2; exit 1; }
done

jq -nr --slurpfile old "$1" --slurpfile new "$2" '
	def key: .bench + ": " + .name;
	def by_key: map({ key: key, value: . }) | from_entries;
	($old[0].figures | by_key) as $o | ($new[0].figures | by_key) as $n |
	"\($old[0].commit) -> \($new[0].commit)",
	(if $old[0].mode != $new[0].mode then "one is of \($old[0].mode), the other of \($new[0].mode): the numbers of operations differ" else empty end),
	($o | keys_unsorted[] | select($n[.] == null) | "only in the old: \(.)"),
	($n | keys_unsorted[] | select($o[.] == null) | "only in the new: \(.)"),
	([$n | to_entries[] | select($o[.key] != null) | .key as $k | .value.value as $b | $o[$k].value as $a
	  | select($a != $b and (($b - $a) | fabs) > 0.01 * ($a | fabs))
	  | [$k, $a, $b, .value.unit,
	     (if $a == 0 then "" else (((($b / $a) - 1) * 1000 | round) / 10 | tostring) + " %" end),
	     (if .value.time == "real" then "real time" else "" end),
	     (if $o[$k].met == .value.met then "" elif .value.met then "bar now met" else "bar now MISSED" end)]] |
	 if length == 0 then "nothing changed by more than 1 %" else .[] | @tsv end)' |
awk -F '\t' 'NF < 5 { print; next } { printf "%-86s %12s -> %12s %-6s %9s  %s\n", $1, $2, $3, $4, $5, $6 ($6 && $7 ? ", " : "") $7 }' |
	sed 's/ *$//'
