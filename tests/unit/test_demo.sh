#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the demo's verdict accepts what is a prefix of its history and refuses each kind of damage.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

# Two lanes whose transactions 1 to 5 follow each other strictly, 10 µs each: a1 b1 a2 b2 ...
for n in 1 2 3 4 5; do
	t=$((1000000 + n * 20))
	printf '%s issue 1 %s\n%s ack 1 %s\n' $t $n $((t + 5)) $n >> "$d/1"
	printf '%s issue 2 %s\n%s ack 2 %s\n' $((t + 10)) $n $((t + 15)) $n >> "$d/2"
done
echo "1000106 issue 1 6" >> "$d/1"	# no answer ever came

# judge NAME REGEX [LANE:COUNT...] [+LANE:N] [-LANE:N]: rows 1..COUNT of each, one more, one less.
judge() {
	local name=$1 regex=$2 a l n out; shift 2

	: > "$d/p"
	for a; do
		l=${a%:*} l=${l#[+-]} n=${a#*:}
		case $a in
		+*) echo "$l $n" >> "$d/p" ;;
		-*) sed -i "/^$l $n\$/d" "$d/p" ;;
		*) for ((; n > 0; n--)); do echo "$l $n" >> "$d/p"; done ;;
		esac
	done
	out=$(scripts/demo/verdict.sh "$d/p" "${history[@]}" 2>&1)
	if grep -qE "$regex" <<< "$out"; then echo "ok demo $name"
	else echo "FAILED demo $name: it says '$out'"; fi
}

history=("$d/1" "$d/2")
judge takes-a-prefix '^lost=4$' 1:3 2:3
judge takes-a-prefix-in-mid-round '^lost=5$' 1:3 2:2
judge counts-the-unanswered '^unanswered=1$' 1:6 2:4
judge finds-a-gap 'lane 1: row 2 is missing though row 3 is there' 1:3 2:3 -1:2
judge finds-a-missing-first 'lane 2: row 1 is missing' 1:3 2:3 -2:1
judge finds-disorder-between-lanes 'row 4 of lane 2 is there, issued after row 4 of lane 1' 1:3 2:4
judge finds-an-empty-lane 'of lane 1 was acknowledged, and that is missing' 2:2
judge finds-what-was-never-issued 'lane 2: row 6 is there and was never issued' 1:3 2:3 +2:6
judge finds-a-double 'lane 2: row 3 is there twice' 1:3 2:3 +2:3
judge wants-some-missing 'all 10 acknowledged rows are there' 1:5 2:5
judge wants-some-there 'none of the 10 acknowledged rows is there'
sed '/ack 2 3/d' "$d/2" > "$d/2x"
history=("$d/1" "$d/2x")
judge refuses-a-broken-history 'issued out of turn: .* issue 2 4' 1:2 2:2
