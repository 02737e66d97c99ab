#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mutants.sh [-l | GLOB...]: does a test notice when the product is broken? Each tests/mutants/NAME.patch
# breaks one thing. It is applied to a copy of the tree, and each test that its header names
# ("Caught-by:", an argument list of tests/run.sh) is run there and must fail, because of what it tests: a
# copy that does not build, or a patch that does not apply, is a failure here. The same tests are run once
# on a copy without a mutant, and must pass. -l lists the mutants as a table.
# Variables: SEED=N, JOBS=N mutants at a time (default: 2), PART=sim|unit|kunit|vm only tests of that part.
# Prints "ok mutant NAME: ..." or "FAILED mutant NAME: ...", logs in build/logs/mutants/.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
logs=$top/build/logs/mutants
jobs=${JOBS:-2}

tests() { headers "$1" Caught-by | grep "^${PART:-}"; }

headers() { sed -n "s/^$2: *//p" "tests/mutants/$1.patch"; }

# shellcheck disable=SC2016 # the quotes are the table's
list() {
	local f name

	echo '| mutant | what is broken | caught by |'
	echo '| --- | --- | --- |'
	for f in tests/mutants/*.patch; do
		name=$(basename "$f" .patch)
		printf '| %s | %s (%s) | %s |\n' "$name" "$(headers "$name" What)" "$(headers "$name" Rule)" \
			"$(headers "$name" Caught-by | sed 's/^/`/; s/$/`/' | paste -sd, | sed 's/,/, /g')"
	done
}

if [ "${1:-}" = -l ]; then
	list
	exit
fi

# A copy of the tree, as git knows it, with what is not committed yet.
copy_tree() {
	rm -rf "$1"; mkdir -p "$1"
	git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - 2>/dev/null | tar -C "$1" -xf -
}

# Run the test "$2..." in the copy $1; output in $3. Return: 0 it passed, 1 a test failed, 2 it says nothing of value.
run_test() {
	local dir=$1 log=$2 part=$3 rc=0 a; shift 3
	local -a vars=("SEED=${SEED:-1}")

	for a; do vars+=("$a"); done
	(cd "$dir" && env -u T -u KERNEL -u LONG "${vars[@]}" tests/run.sh "$part") > "$log" 2>&1 < /dev/null || rc=$?
	if grep -q "doesn't build\|there is no\|isn't built\|nothing was run\|no test was run" "$log"; then
		return 2
	fi
	grep -qE '^[0-9]+ passed, [0-9]+ failed' "$log" || return 2
	[ $rc = 0 ] || return 1
}

# What all mutants name, on a copy that none has changed.
control() {
	local dir=$top/build/mutants/control test rc
	local -a words

	copy_tree "$dir"
	while read -r test; do
		read -ra words <<< "$test"
		rc=0
		run_test "$dir" "$logs/control-${test//[^A-Za-z0-9._-]/_}.log" "${words[@]}" || rc=$?
		[ $rc = 0 ] || { echo "FAILED mutant control: without a mutant \`$test\` fails too, logs in build/logs/mutants"; return; }
	done < <(for name; do tests "$name"; done | sort -u)
	echo "ok mutant control: without a mutant every test passes"
	rm -rf "$dir"
}

try() {
	local name=$1 dir=$top/build/mutants/$1 test rc by='' log
	local -a words

	copy_tree "$dir"
	if ! patch -s -d "$dir" -p1 < "$top/tests/mutants/$name.patch" > "$logs/$name.apply" 2>&1; then
		echo "FAILED mutant $name: tests/mutants/$name.patch does not apply any more"
		return
	fi
	while read -r test; do
		read -ra words <<< "$test"
		log=$logs/$name-${test//[^A-Za-z0-9._-]/_}.log
		rc=0
		run_test "$dir" "$log" "${words[@]}" || rc=$?
		case $rc in
		0) echo "FAILED mutant $name: \`$test\` does not notice it, log in ${log#"$top"/}"; return ;;
		2) echo "FAILED mutant $name: \`$test\` could not be run, log in ${log#"$top"/}"; return ;;
		esac
		by+="${by:+; }$test: $(grep -m 1 '^FAILED' "$log" | cut -c 8-120)"
	done < <(tests "$name")
	[ -n "$by" ] || { echo "FAILED mutant $name: it names no test"; return; }
	echo "ok mutant $name ($by)"
	rm -rf "$dir"
}

mkdir -p "$logs"
names=()
for f in tests/mutants/*.patch; do
	name=$(basename "$f" .patch)
	[ $# -gt 0 ] || { names+=("$name"); continue; }
	for glob; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $name == $glob ]] && names+=("$name") && break
	done
done
[ ${#names[@]} -gt 0 ] || { echo "FAILED mutant: there is none that is called $*"; exit 1; }

{
	control "${names[@]}"
	for name in "${names[@]}"; do
		# others have tests of that part
		if [ -n "${PART:-}" ] && [ -z "$(tests "$name")" ]; then continue; fi
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
		try "$name" &
	done
	wait
} | tee "$logs/results"
! grep -q '^FAILED' "$logs/results"
