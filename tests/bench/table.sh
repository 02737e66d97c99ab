#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# table.sh RESULTS: the results of a bench run (run.sh) as a table.

set -euo pipefail
[ $# = 1 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
# shellcheck source=tests/bench/result.sh
. "$(dirname "${BASH_SOURCE[0]}")/result.sh"
result_check table.sh "$1"

jq -r '"\(.commit), \(.date), Linux \(.kernel), QEMU \(.qemu)",
	(.benches[] | select(.note != "") | "\(.name): \(.note)"),
	(.benches[] | select(.ok | not) | "\(.name): FAILED: \(.why)"),
	(.figures | group_by(.bench)[] | "", "\(.[0].bench) (\(.[0].time) time)",
	 (.[] | [.name, .value, .unit,
		 if .bar == "" then "" else (if .met then "met" else "MISSED" end) + (if .bar == "max" then ", at most " else ", at least " end) + (.limit | tostring) end]
	  | @tsv))' "$1" |
awk -F '\t' 'NF == 1 || NF == 0 { print; next } { printf "  %-74s %14s %-9s %s\n", $1, $2, $3, $4 }' | sed 's/ *$//'
