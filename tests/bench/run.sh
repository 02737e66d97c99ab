#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh all|quick: run the benches of tests/bench/vm/, print a line for each and a table, and write build/bench/all.json or
# quick.json and, of all, plots. `quick` takes those whose header says "Quick: yes", with small numbers; LONG=0 has them in
# all, too. T=GLOB selects; what was selected goes to part.json. SLOTS=N at a time (default 2); those in real time are alone.
#
# A bench is a scenario (scripts/scenario.sh says what its header may hold); besides:
#   # Measures: what, a sentence               # Quick: yes
#   # Time: virtual (default; instructions counted, repeatable) or real (the host's clock: noisy)
#   # Needs: PROGRAM:PACKAGE or module/NAME:PACKAGE ...
#   # Plot: NAME|lines or bars|title|x axis|y axis
# Documentation/performance.md says what the figures mean. For tests of this script: SCENARIOS, BENCH_OUT and BENCH_LOADAVG
# are other places than tests/bench/vm, build/bench and /proc/loadavg.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
mode=${1:-}
case $mode in
all) long=${LONG:-1} ;;
quick) long=0 ;;
*) sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
export LC_ALL=C SCENARIOS=${SCENARIOS:-tests/bench/vm} LONG=$long SEED=${SEED:-1}
out=${BENCH_OUT:-build/bench}
results=$out/$mode.json
[ -z "${T:-}" ] || results=$out/part.json
slots=${SLOTS:-2}
mkdir -p "$out" build/logs

die() { echo "bench: $*" >&2; exit 1; }
header() { sed -n '/^[^#]/q; /^$/q; s/^# '"$2"': *//p' "$SCENARIOS/$1.sh"; }

# have PROGRAM:PACKAGE...: all there, or the end.
have() {
	local need what

	for need in "$@"; do
		what=${need%%:*}
		case $what in
		module/*) modinfo -k "$kernel" "${what#module/}" > /dev/null 2>&1 && continue ;;
		*) type -P "$what" > /dev/null && continue ;;
		esac
		die "there is no ${what/#module\//module }; it is in the package ${need#*:}: apt-get install ${need#*:}, or scripts/setup.sh bench"
	done
}

# A machine that has other things to do, for what is measured in real time.
load() { cut -d' ' -f1 "${BENCH_LOADAVG:-/proc/loadavg}"; }
loaded() { awk -v l="$1" 'BEGIN { exit !(l > 0.5) }'; }

benches=()
for f in "$SCENARIOS"/*.sh; do
	name=$(basename "$f" .sh)
	# shellcheck disable=SC2053 # T is a pattern
	[ -z "${T:-}" ] || [[ $name == $T || $name == bench-$T ]] || continue
	[ "$mode" = all ] || [ "$(header "$name" Quick)" = yes ] || continue
	benches+=("$name")
done
[ ${#benches[@]} -gt 0 ] || die "there is no bench ${T:-}"

have qemu-system-x86_64:qemu-system-x86 jq:jq gcc:build-essential modinfo:kmod busybox:busybox-static cpio:cpio \
	dmsetup:dmsetup ip:iproute2 tc:iproute2 ss:iproute2 chrt:util-linux
kernel=$(scripts/kernels.sh version 6.1) || exit 1
for name in "${benches[@]}"; do
	# shellcheck disable=SC2046 # words
	have $(header "$name" Needs)
done
[ "$mode" = quick ] || have gnuplot:gnuplot-nox
scripts/build-module.sh 6.1 > "$out/build.log" 2>&1 || die "the module doesn't build, see $out/build.log"
make -s -C userspace >> "$out/build.log" 2>&1 || die "orderedctl doesn't build, see $out/build.log"
make -s -C tests/vm/lib >> "$out/build.log" 2>&1 || die "the scenarios' programs don't build, see $out/build.log"
make -s -C tests/bench >> "$out/build.log" 2>&1 || die "the benches' programs don't build, see $out/build.log"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run_bench NAME: its figures and points, and how it went, into $work/NAME.*; and a line of how it went.
run_bench() {
	local name=$1 start=$SECONDS box=build/logs/$1-6.1 time before why='' ok=true note='' m n; time=$(header "$1" Time)

	time=${time:-virtual}
	before=$(load)
	if [ "$time" = real ] && loaded "$before"; then
		note="the machine had other things to do: load $before"
	fi
	rm -rf "$box"
	why=$(scripts/scenario.sh "$name" 6.1 2>&1) || ok=false
	# Now and then a machine stands still before its script has begun.
	if [ $ok = false ] && [[ $why == *" hangs: "* ]]; then
		note+="${note:+; }run twice: at first, ${why##*$'\n'}"
		ok=true
		why=$(scripts/scenario.sh "$name" 6.1 2>&1) || ok=false
	fi
	: > "$work/$name.figures"; : > "$work/$name.points"
	for m in vm a b; do
		[ ! -e "$box/$m/figures" ] || awk -v b="$name" -v t="$time" '{ print b "\t" t "\t" $0 }' "$box/$m/figures" >> "$work/$name.figures"
		[ ! -e "$box/$m/points" ] || awk -v b="$name" '{ print b "\t" $0 }' "$box/$m/points" >> "$work/$name.points"
	done
	n=$(wc -l < "$work/$name.figures")
	if [ $ok = true ] && [ "$n" = 0 ]; then
		ok=false why="it left no figure"
	fi
	if [ $ok = true ]; then
		why=''
		echo "ok $name ($((SECONDS - start)) s): $n figures${note:+; $note}"
	else
		why=$(tail -n 1 <<< "$why" | tr -d '\r')
		echo "FAILED $name ($((SECONDS - start)) s): ${why:=no reason given}, logs in $box"
	fi
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$ok" "$((SECONDS - start))" "$time" "$before" "$note" "$why" > "$work/$name.bench"
	header "$name" Plot | sed "s/^/$name|/" > "$work/$name.plots"
}

# What is measured in real time comes first and has the machine to itself.
for name in "${benches[@]}"; do
	[ "$(header "$name" Time)" != real ] || run_bench "$name"
done
running=0
for name in "${benches[@]}"; do
	[ "$(header "$name" Time)" != real ] || continue
	while [ $running -ge "$slots" ]; do
		wait -n || true
		running=$((running - 1))
	done
	run_bench "$name" &
	running=$((running + 1))
done
wait

# collect WHAT SEPARATOR: the lines that all benches left, as a JSON array of arrays of words, in $work/WHAT.
collect() {
	local name

	for name in "${benches[@]}"; do cat "$work/$name.$1"; done | jq -Rn --arg s "$2" '[inputs | split($s)]' > "$work/$1"
}
collect bench $'\t'; collect figures $'\t'; collect points $'\t'; collect plots '|'
jq -n --slurpfile b "$work/bench" --slurpfile f "$work/figures" --slurpfile p "$work/points" --slurpfile l "$work/plots" \
	--arg commit "$(git describe --always --dirty 2>/dev/null || echo unknown)" --arg date "$(date -u +%FT%TZ)" --arg mode "$mode" \
	--arg kernel "$kernel" --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
	--arg qemu "$(qemu-system-x86_64 --version | sed -n '1s/QEMU emulator version //p')" --argjson cpus "$(nproc)" --argjson long "$long" '
	def num: if . == "" then null else tonumber end;
	{ format: 1, mode: $mode, long: $long, commit: $commit, date: $date, kernel: $kernel, qemu: $qemu, host: { cpu: $cpu, cpus: $cpus },
	  benches: [$b[0][] | { name: .[0], ok: (.[1] == "true"), seconds: (.[2] | num), time: .[3], load_before: (.[4] | num),
				note: .[5], why: .[6] }],
	  figures: [$f[0][] | { bench: .[0], time: .[1], name: .[2], value: (.[3] | num), unit: .[4], bar: .[5], limit: (.[6] // "" | num) }
		    | .met = (if .bar == "max" then .value <= .limit elif .bar == "min" then .value >= .limit else null end)],
	  plots: [$l[0][] | { bench: .[0], name: .[1], style: .[2], title: .[3], x: .[4], y: .[5] }],
	  points: [$p[0][] | { bench: .[0], plot: .[1], series: .[2], x: .[3], y: (.[4] | num) }] }' > "$work/results" ||
	die "the benches left something that is no result"
mv "$work/results" "$results"

tests/bench/table.sh "$results" | tee "${results%.json}.txt"
[ "$mode" = quick ] || tests/bench/plot.sh "$results" "$out/plots"
echo "results in $results"
jq -e 'all(.benches[]; .ok)' "$results" > /dev/null
