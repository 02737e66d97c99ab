#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [FUZZER...]: run the fuzzers (all of them), a line for each. First every input that once
# failed (regress/), then the kept corpus, then FUZZ_SECONDS of new ones from SEED. What fails is left in
# build/logs/fuzz/ and named in the line; to see it again: build/fuzz/FUZZER FILE. Then peermut: COUNT
# conversations with a hostile peer (20,000; LONG=1: 1,000,000).
# Variables:
#   T=GLOB   only these   SEED=N   FUZZ_SECONDS=60   LONG=1   half an hour each   SLOTS=2   at a time

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
logs=build/logs/fuzz
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
[ "${LONG:-0}" = 1 ] && seconds=${FUZZ_SECONDS:-1800} || seconds=${FUZZ_SECONDS:-60}
least=1000	# inputs: fewer in this time means that something else is wrong
export UBSAN_OPTIONS=print_stacktrace=1
rm -rf "$logs"; mkdir -p "$logs"

# What a log says went wrong, in a few words.
reason() {
	grep -aoE 'tests/fuzz/[a-z_]*\.[ch]:[0-9]+: .*|runtime error: .*|ERROR: (Address|Leak)Sanitizer: [^(]*|ERROR: libFuzzer: .*|^[a-z_]*\.[ch]:[0-9]+: .*' \
		"$1" | head -n 1 | cut -c 1-200 || true
}

# The files of directory $1, if there are any.
files() { find "$1" -type f ! -name 'README*' 2>/dev/null | sort; }

# Inputs $3... through fuzzer $1, each once; $2 says which these are.
replay() {
	local name=$1 what=$2 log=$logs/$1-$2.log f; shift 2

	[ $# -gt 0 ] || return 0
	if build/fuzz/"$name" -timeout=25 -artifact_prefix="$logs/$name-$what-" "$@" > "$log" 2>&1; then
		return 0
	fi
	f=$(grep -a '^Running: ' "$log" | tail -n 1)
	echo "FAILED $name: $what ${f#Running: }: $(reason "$log"), log in $log"
	return 1
}

fuzz() {
	local name=$1 log=$logs/$1.log start=$SECONDS work=build/fuzz/corpus/$1 f runs new
	local -a old kept

	mapfile -t old < <(files "tests/fuzz/regress/$name")
	mapfile -t kept < <(files "tests/fuzz/corpus/$name")
	[ ${#kept[@]} -gt 0 ] || { echo "FAILED $name: no corpus"; return; }
	replay "$name" regress "${old[@]}" || return 0
	replay "$name" corpus "${kept[@]}" || return 0
	rm -rf "$work"; mkdir -p "$work"
	if ! build/fuzz/"$name" -seed="$seed" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix="$logs/$name-" \
			"$work" "tests/fuzz/corpus/$name" > "$log" 2>&1; then
		f=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
		echo "FAILED $name (SEED=$seed): $(reason "$log"), input ${f:-none kept}, log in $log"
		# where only the output is kept: base64 -d | gzip -d
		[ -z "$f" ] || echo "   $name: $(gzip -9c "$f" | base64 -w 0)"
		return
	fi
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	new=$(sed -n 's/^stat::new_units_added: *//p' "$log")
	if [ "${runs:-0}" -lt "$least" ]; then
		echo "FAILED $name (SEED=$seed): only ${runs:-no} runs in $seconds s, log in $log"
		return
	fi
	echo "ok $name (${#old[@]} old failures, ${#kept[@]} kept, $runs runs, $new new, $((SECONDS - start)) s)"
}

peermut() {
	local log=$logs/peermut.log count

	[ "${LONG:-0}" = 1 ] && count=${COUNT:-1000000} || count=${COUNT:-20000}
	build/fuzz/peermut --count "$count" --seed "$seed" > "$log" 2>&1 && grep -a '^ok ' "$log" ||
		grep -a '^FAILED' "$log" || echo "FAILED peermut (seed $seed): $(reason "$log"), log in $log"
}

selected() {
	# shellcheck disable=SC2053 # T is a pattern
	[ -z "${T:-}" ] || [[ $1 == $T || fuzz_$1 == $T ]]
}

make -s -j2 -C tests/fuzz > "$logs/build.log" 2>&1 || {
	grep -E 'error|Error' "$logs/build.log" | head -n 3 >&2
	echo "FAILED fuzz: doesn't build, see $logs/build.log"
	exit 1
}
[ $# -gt 0 ] || read -ra names <<< "$(make -s -C tests/fuzz list) peermut"
[ $# -eq 0 ] || names=("$@")
running=0
for name in "${names[@]}"; do
	selected "${name#fuzz_}" || continue
	if [ $running -ge "${SLOTS:-2}" ]; then
		wait -n || true
		running=$((running - 1))
	fi
	if [ "$name" = peermut ]; then peermut & else fuzz "$name" & fi
	running=$((running + 1))
done
wait
