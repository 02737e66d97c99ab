#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# dmofiles (tests/vm/lib/files.c), by which scenarios judge file systems at the far side: it accepts what was written,
# and nothing of what a far side must not show.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
make -s -C "$top/tests/vm/lib"
dmofiles=$top/build/vm/dmofiles
d=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)")	# fsync there is cheap
trap 'rm -rf "$d"' EXIT
failed=0

ok() { echo "ok dmofiles.$1"; }
bad() { echo "FAILED dmofiles.$1: ${*:2}"; failed=1; }

# caught NAME REGEX LEAST DIR...: check must fail, and say so.
caught() {
	local name=$1 regex=$2 out; shift 2

	if out=$("$dmofiles" check "$d/acks" "$@"); then
		bad "$name" "accepted: $out"
	elif grep -qE "$regex" <<< "$out"; then
		ok "$name"
	else
		bad "$name" "it should say '$regex', not: $out"
	fi
}

# again: a and b as they were.
again() { rm -rf "$d/a" "$d/b"; cp -r "$d/keep/a" "$d/keep/b" "$d"; }
# newest DIR LANE N: name of a lane's newest file in a directory but N.
newest() { find "$d/$1" -name "$2.[0-9]*" ! -name '*.tmp' -printf '%f\n' | sort -t. -k2n | tail -n "$(($3 + 1))" | head -n 1; }

mkdir -p "$d/a" "$d/b" "$d/old" "$d/keep"
"$dmofiles" write "$d/acks" "$d/a" "$d/b" --pause 200 > "$d/out" &
pid=$!
# More than two operations a place of a ring and a directory, and then once more as many.
for bound in 80 160; do
	while read -r n < <("$dmofiles" acks "$d/acks"); [ "${n%%,*}" -lt $bound ]; do sleep 0.05; done
	[ $bound != 80 ] || { kill -STOP $pid; cp -r "$d/a" "$d/b" "$d/old"; kill -CONT $pid; least=$("$dmofiles" acks "$d/acks"); }
done
kill $pid
wait $pid
cp -r "$d/a" "$d/b" "$d/keep"
if out=$("$dmofiles" check "$d/acks" "$least" "$d/a" "$d/b"); then ok whole; else bad whole "$out"; fi
if out=$("$dmofiles" check "$d/acks" 1,1 "$d/old/a" "$d/old/b"); then ok older; else bad older "$out"; fi

caught first-older "is there, but was begun after|is missing" 1,1 "$d/old/a" "$d/b"
caught second-older "is there, but was begun after|is missing" 1,1 "$d/a" "$d/old/b"
caught "too-old" "at least .* was to be there" "$("$dmofiles" acks "$d/acks")" "$d/old/a" "$d/old/b"
cp "$d/old/a/ring.0" "$d/a/"; caught records-older "record [0-9]* should be there" 1,1 "$d/a" "$d/b"; again
rm "$d/a/$(newest a 1 3)"; caught file-missing "is missing" 1,1 "$d/a" "$d/b"; again
truncate -s -1 "$d/b/$(newest b 0 2)"; caught file-short "isn't what was written" 1,1 "$d/a" "$d/b"; again
printf X | dd of="$d/b/$(newest b 0 2)" bs=1 seek=200 conv=notrunc status=none
caught file-changed "isn't what was written" 1,1 "$d/a" "$d/b"; again
cp "$d/old/a/$(cd "$d/old/a" && printf '%s\n' 0.* | sort -t. -k2n | head -n 1)" "$d/a/"
caught file-removed-is-back "was removed before" 1,1 "$d/a" "$d/b"; again
truncate -s 8192 "$d/b/ring.1"; caught ring-short "ring.1" 1,1 "$d/a" "$d/b"; again
cp "$d/acks" "$d/acks.keep"; truncate -s 0 "$d/acks"; caught future "only 0 were written" 0,0 "$d/a" "$d/b"
exit $failed
