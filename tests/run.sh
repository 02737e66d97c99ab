#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh PART...: run tests, print a line for each and at last "N passed, N failed". Parts:
#   unit    cmocka and shell tests of tests/unit/      kunit   KUnit suites in a User-mode kernel
#   static  compiler, sparse, checkpatch and the like  vm      scenarios in emulated machines
#   fuzz    libFuzzer on the product's own files, tests/fuzz/
#   sim     deterministic simulation of two hosts, tests/sim/
#   images  crash images out of recordings of all disks, tests/images/
#   bench   the quick benches of tests/bench/: that they run and yield their figures, not what these are
#   mutants the product broken on purpose, tests/mutants/: some test must notice each
# Variables:
#   T=GLOB     only unit tests test_GLOB, fuzzers fuzz_GLOB, scenarios GLOB, images of record-GLOB and benches bench-GLOB
#   KERNEL=K   scenarios under 6.1, 6.12 or debug (default: what their headers say)
#   LONG=1     larger numbers      SEED=N   for random tests (default: today's own; printed)
#   SLOTS=N    CPUs of all machines that run at a time, default one more than there are here

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
[ $# -gt 0 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
export SEED=${SEED:-$((RANDOM * 32768 + RANDOM))} LONG=${LONG:-0}
slots=${SLOTS:-$(($(nproc) + 1))}
logs=build/logs
mkdir -p "$logs"

selected() {
	# shellcheck disable=SC2053 # T is a pattern
	[ -z "${T:-}" ] || [[ $1 == $T ]]
}

# ---------------------------------------------------------------- unit

# cmocka's TAP on stdin, our lines on stdout; $1 is the program's name.
cmocka_lines() {
	awk -v p="$1" '
	function say() { if (line) print line (why ? ": " why : ""); line = why = "" }
	/^(not )?ok [0-9]+/ {
		say()
		bad = /^not/; name = $0
		sub(/^(not )?ok [0-9]+ (- )?/, "", name)
		if (name ~ /# SKIP/) { sub(/# SKIP */, "", name); print "SKIPPED " p "." name ": says so itself" }
		else if (bad) line = "FAILED " p "." name
		else print "ok " p "." name
		seen++; next
	}
	/^# / && line && !why { why = substr($0, 3) }
	END { say(); if (!seen) print "FAILED " p ": no test was run" }'
}

# One program of the unit part, or one script: its lines, at once when it has ended, since others run beside it.
unit_program() {
	local t=$1 name rc=0 start=$SECONDS limit=180; name=$(basename "${1%.*}")

	[ "$LONG" != 1 ] || limit=1800
	if [[ $t = *.c ]]; then
		CMOCKA_MESSAGE_OUTPUT=TAP timeout $limit "build/unit/$name" > "$logs/$name.log" 2>&1 || rc=$?
		cmocka_lines "${name#test_}" < "$logs/$name.log" > "$logs/$name.lines"
	else
		timeout 600 "$t" > "$logs/$name.log" 2>&1 || rc=$?
		grep -aE '^(ok|FAILED|SKIPPED) ' "$logs/$name.log" > "$logs/$name.lines" ||
			echo "FAILED ${name#test_}: no test was run" > "$logs/$name.lines"
	fi
	[ $rc = 0 ] || grep -q '^FAILED' "$logs/$name.lines" ||
		echo "FAILED ${name#test_}: ended with $rc, log in $logs/$name.log" >> "$logs/$name.lines"
	echo "-- ${name#test_}: $((SECONDS - start)) s" >> "$logs/$name.lines"
	cat "$logs/$name.lines"
}

part_unit() {
	local t running=0

	# what several of them would make at one moment
	if ! make -s -j"$(nproc)" -C tests/unit > "$logs/unit-build.log" 2>&1 ||
	   ! make -s -C tests/vm/lib >> "$logs/unit-build.log" 2>&1; then
		grep -E 'error|Error' "$logs/unit-build.log" | head -n 3 >&2
		echo "FAILED unit: doesn't build, see $logs/unit-build.log"
		return
	fi
	# the scripts first: some boot machines
	for t in tests/unit/test_*.sh tests/unit/test_*.c; do
		selected "$(basename "${t%.*}" | sed 's/^test_//')" || continue
		if [ $running -ge "$(nproc)" ]; then
			wait -n || true
			running=$((running - 1))
		fi
		unit_program "$t" &
		running=$((running + 1))
	done
	wait
}

# ---------------------------------------------------------------- kunit, static

part_kunit() { scripts/kunit.sh; }
part_static() { scripts/static.sh; }
part_fuzz() { tests/fuzz/run.sh; }
part_sim() { tests/sim/run.sh; }
part_images() { tests/images/run.sh; }
part_mutants() { if [ -n "${T:-}" ]; then scripts/mutants.sh "$T"; else scripts/mutants.sh; fi; }

# ---------------------------------------------------------------- vm

header() { sed -n '/^[^#]/q; /^$/q; s/^# '"$2"': *//p' "tests/vm/$1.sh"; }

# CPUs that scenario $1 takes, all its machines together; scenario.sh gives as many.
cpus() {
	local machines each

	machines=$(header "$1" Machines) each=$(header "$1" Cpus)
	machines=${machines:-1} each=${each:-1}
	[ "$LONG" != 1 ] || [ "$machines" = 2 ] || each=2
	echo $((machines * each))
}

# Kernels of scenario $1: its header's; with LONG=1 or a KERNEL asked for, both stock ones for what runs under one.
kernels() {
	local k; k=$(header "$1" Kernels)

	if [[ ($LONG = 1 || -n ${KERNEL:-}) && $k = *[0-9]* ]]; then k="$k $(scripts/kernels.sh list)"; fi
	tr ' ' '\n' <<< "$k" | sort -u
}

# One line for scenario $1 under kernel $2.
run_scenario() {
	local start=$SECONDS out

	if out=$(scripts/scenario.sh "$1" "$2" 2>&1); then
		echo "ok $1 ($2, $((SECONDS - start)) s)"
	else
		out=$(tail -n 1 <<< "$out" | tr -d '\r')
		echo "FAILED $1 ($2, $((SECONDS - start)) s): ${out:-no reason given}, logs in $logs/$1-$2"
	fi
}

part_vm() {
	local f name k n limit slow used=0 pid job
	local -a jobs=() rest
	local -A wanted=() size=()

	for f in tests/vm/*.sh; do
		name=$(basename "$f" .sh)
		selected "$name" || continue
		n=$(cpus "$name")
		limit=$(header "$name" Limit); limit=${limit:-120}
		if [ "${KERNEL:-}" = debug ] && [ -n "$(header "$name" Not-debug)" ]; then
			echo "SKIPPED $name (debug): $(header "$name" Not-debug)"
			continue
		fi
		for k in $(kernels "$name"); do
			[ -z "${KERNEL:-}" ] || [ "$KERNEL" = debug ] || [ "$KERNEL" = "$k" ] || continue
			[ "${KERNEL:-}" != debug ] || k=debug
			wanted[$k]=1 slow=1
			[ "$k" != debug ] || slow=3
			jobs+=("$n $((slow * limit)) $name $k")
			[ "${KERNEL:-}" != debug ] || break
		done
	done
	[ ${#jobs[@]} -gt 0 ] || { echo "FAILED vm: no scenario ${T:-} for ${KERNEL:-any kernel}"; return; }

	for k in "${!wanted[@]}"; do
		scripts/build-module.sh "$k" > "$logs/module-$k.log" 2>&1 || {
			grep -E 'error:|Error ' "$logs/module-$k.log" | head -n 3 >&2 || true
			echo "FAILED module ($k): doesn't build, see $logs/module-$k.log"
		}
		MODULE=powercut scripts/build-module.sh "$k" > "$logs/powercut-$k.log" 2>&1 ||
			echo "FAILED powercut ($k): doesn't build, see $logs/powercut-$k.log"
		[ "$k" != debug ] || MODULE=kunit scripts/build-module.sh "$k" > "$logs/kunit-$k.log" 2>&1 ||
			echo "FAILED kunit ($k): doesn't build, see $logs/kunit-$k.log"
		scripts/initrd.sh "$k" > /dev/null
	done
	if [ -e userspace/Makefile ]; then
		make -s -C userspace > "$logs/tool-build.log" 2>&1 ||
			echo "FAILED orderedctl: doesn't build, see $logs/tool-build.log"
	fi

	# The largest first; as soon as there is room, the first of them that fits it.
	mapfile -t jobs < <(printf '%s\n' "${jobs[@]}" | sort -k1,1nr -k2,2nr -k3)
	while [ ${#jobs[@]} -gt 0 ]; do
		rest=()
		for job in "${jobs[@]}"; do
			read -r n _ name k <<< "$job"
			if [ $used -gt 0 ] && [ $((used + n)) -gt "$slots" ]; then
				rest+=("$job")
				continue
			fi
			run_scenario "$name" "$k" &
			size[$!]=$n
			used=$((used + n))
		done
		jobs=("${rest[@]}")
		[ ${#jobs[@]} -gt 0 ] || break
		wait -n -p pid || true
		used=$((used - ${size[$pid]:-0}))
		unset "size[$pid]"
	done
	wait
}

# ---------------------------------------------------------------- bench

part_bench() {
	local f name some=0

	for f in tests/bench/vm/*.sh; do
		name=$(basename "$f" .sh)
		grep -qx "# Quick: yes" "$f" || continue
		if selected "$name" || selected "${name#bench-}"; then some=1; fi
	done
	[ $some = 1 ] || return 0
	tests/bench/run.sh quick | tee "$logs/bench.log" | grep --line-buffered -E '^(ok|FAILED) '
}

# ---------------------------------------------------------------- the sum

# Lines come out as they come in, which not every awk does.
count() {
	local line part rc start passed=0 failed=0 skipped=0 results=0 failures=0 again=()

	while IFS= read -r line; do
		case $line in
		'@begin '*) results=0 failures=0 start=$SECONDS; continue ;;
		'@end '*)
			read -r _ part rc <<< "$line"
			echo "-- $part: $((SECONDS - start)) s"
			if [ "$rc" != 0 ] && [ $failures = 0 ]; then
				line="FAILED $part: ended with $rc"
			elif [ $results = 0 ] && [ -z "${T:-}" ]; then
				line="FAILED $part: nothing was run"
			else
				continue
			fi ;;
		esac
		case $line in
		'ok '*) passed=$((passed + 1)) results=$((results + 1)) ;;
		'FAILED '*) failed=$((failed + 1)) results=$((results + 1)) failures=$((failures + 1)); again+=("$line") ;;
		'SKIPPED '*) skipped=$((skipped + 1)) results=$((results + 1)) ;;
		esac
		printf '%s\n' "$line"
	done
	[ $skipped = 0 ] && skipped='' || skipped=", $skipped skipped"
	[ $failed = 0 ] || { echo "-- failed:"; printf '   %s\n' "${again[@]}"; }
	echo "$passed passed, $failed failed$skipped"
	[ $failed = 0 ] && [ $passed -gt 0 ]
}

echo "SEED=$SEED$([ "$LONG" = 0 ] || echo " LONG=1")${KERNEL:+ KERNEL=$KERNEL}${T:+ T=$T}"
for part in "$@"; do
	echo "@begin $part"
	rc=0
	"part_$part" || rc=$?
	echo "@end $part $rc"
done | count
