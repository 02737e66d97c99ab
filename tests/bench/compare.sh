#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compare.sh OLD NEW: what changed by more than 1 % between two results of run.sh, and what is in one only. What was measured
# in real time is marked: there 1 % is noise. Ends with 0 when there was something to compare, whatever it was; with 1 when not.

set -euo pipefail
[ $# = 2 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
# shellcheck source=tests/bench/result.sh
. "$(dirname "${BASH_SOURCE[0]}")/result.sh"
for f in "$@"; do
	result_check compare.sh "$f"
done

jq -nr --slurpfile old "$1" --slurpfile new "$2" '
	def key: .bench + ": " + .name;
	def by_key: map({ key: key, value: . }) | from_entries;
	def names: [.figures[].bench] | unique;
	def other($what): if $old[0][$what] == $new[0][$what] then empty
		else "\($what): \($old[0][$what]) -> \($new[0][$what])" end;
	($old[0].figures | by_key) as $o | ($new[0].figures | by_key) as $n |
	($old[0] | names) as $ob | ($new[0] | names) as $nb | ($ob - ($ob - $nb)) as $both |
	if ($both | length) == 0 then "compare.sh: no bench is in both; old: \($ob | join(" ")); new: \($nb | join(" "))\n" | halt_error(1) else
	"\($old[0].commit) -> \($new[0].commit)", other("kernel"), other("qemu"),
	(if $old[0].mode != $new[0].mode or $old[0].long != $new[0].long
	 then "one is of \($old[0].mode), LONG=\($old[0].long), the other of \($new[0].mode), LONG=\($new[0].long): the numbers of operations differ"
	 else empty end),
	(($ob - $nb)[] | "only in the old: \(.)"),
	(($nb - $ob)[] | "only in the new: \(.)"),
	($old[0].figures[] | select([.bench] - $both == []) | key | select($n[.] == null) | "only in the old: \(.)"),
	($new[0].figures[] | select([.bench] - $both == []) | key | select($o[.] == null) | "only in the new: \(.)"),
	([$n | to_entries[] | select($o[.key] != null) | .key as $k | .value.value as $b | $o[$k].value as $a
	  | select(($a != $b and (($b - $a) | fabs) > 0.01 * ($a | fabs)) or $o[$k].met != .value.met)
	  | [$k, $a, $b, .value.unit,
	     (if $a == 0 then "" else (((($b / $a) - 1) * 1000 | round) / 10 | tostring) + " %" end),
	     (if .value.time == "real" then "real time" else "" end),
	     (if $o[$k].met == .value.met then "" elif .value.met then "bar now met"
	      elif .value.met == false then "bar now MISSED" else "no bar any more" end)]] |
	 if length == 0 then "nothing changed by more than 1 %" else .[] | @tsv end) end' |
awk -F '\t' 'NF < 5 { print; next } { printf "%-86s %12s -> %12s %-6s %9s  %s\n", $1, $2, $3, $4, $5, $6 ($6 && $7 ? ", " : "") $7 }' |
	sed 's/ *$//'
