#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: the simulator, a line for each check. SEED=N chooses the schedules, SCHEDULES=N how many, LONG=1
# runs 5,000,000 of them, JOBS=N processes. A seed that failed: build/sim/sim --seed N, with --trace or --shrink.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
logs=build/logs/sim
mkdir -p "$logs"
seed=${SEED:-1} jobs=${JOBS:-$(nproc)}
first=$((seed % 1000000 * 10000000 + 1))
number=50000 sanitized=1500
if [ "${LONG:-0}" = 1 ]; then number=5000000 sanitized=100000; fi
number=${SCHEDULES:-$number}

build() {
	local name=$1; shift

	nice make -s -C tests/sim -j"$jobs" "$@" > "$logs/$name-build.log" 2>&1 && return
	echo "FAILED sim $name: doesn't build, see $logs/$name-build.log"
	exit 1
}

# What --schedules printed in the log $1: the failures, each with its seed, or one line.
failures() {
	local log=$1 name=$2

	grep -q '^FAILED' "$log" || { echo "FAILED sim $name: $(tail -n 1 "$log"), log in $log"; return; }
	sed -n "s/^FAILED /FAILED sim $name: /p" "$log" | cut -c1-300
}

build plain
if build/sim/smoke "$seed" > "$logs/smoke.log" 2>&1; then
	echo "ok sim smoke"
else
	echo "FAILED sim smoke: $(tail -n 1 "$logs/smoke.log")"
fi
if build/sim/orders "$seed" > "$logs/orders.log" 2>&1; then
	echo "ok sim orders ($(sed -n 's/^ok orders: //p' "$logs/orders.log"))"
else
	echo "FAILED sim orders: $(tail -n 1 "$logs/orders.log" | sed 's/^FAILED orders: //')"
fi

bad=
for i in $(seq "$first" $((first + 39))); do
	build/sim/sim --seed "$i" > "$logs/repeat.log" 2>&1 || { bad=$i; break; }
done
if [ -z "$bad" ]; then
	echo "ok sim repeatable (40 seeds, each twice)"
else
	echo "FAILED sim repeatable: $(tail -n 1 "$logs/repeat.log")"
fi

rc=0
build/sim/sim --schedules "$number" --first "$first" --jobs "$jobs" --coverage > "$logs/schedules.log" 2>&1 ||
	rc=$?
sum=$(sed -n 's/^schedules: //p' "$logs/schedules.log")
if [ $rc = 0 ]; then
	echo "ok sim schedules ($sum)"
	echo "ok sim coverage ($(sed -n 's/^transitions: //p' "$logs/schedules.log") transitions)"
else
	failures "$logs/schedules.log" schedules
	exit		# no more is needed to know, and a mutant is to be found soon
fi
distinct=$(sed -n 's/^schedules: .* run, \([0-9]*\) distinct.*/\1/p' "$logs/schedules.log")
if [ "${distinct:-0}" -ge $((number * 98 / 100)) ]; then
	echo "ok sim distinct ($distinct)"
else
	echo "FAILED sim distinct: only ${distinct:-none} of $number schedules are"
fi

build sanitized OUT="$top/build/sim-asan" OPT=-O1 EXTRA="-fsanitize=address,undefined \
	-fsanitize-undefined-trap-on-error -fno-sanitize=alignment --param asan-globals=0"
if ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 build/sim-asan/sim \
	--schedules "$sanitized" --first "$first" --jobs "$jobs" > "$logs/sanitized.log" 2>&1; then
	echo "ok sim sanitizers ($(sed -n 's/^schedules: //p' "$logs/sanitized.log"))"
else
	failures "$logs/sanitized.log" sanitizers
fi
