#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: what run.sh, table.sh and compare.sh of tests/bench make of good and bad input, and of a machine that stands still
# at first. The machine is a program here that does what its bench is named for.
# shellcheck disable=SC2016 # jq's variables

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
d=$(mktemp -d)
trap 'rm -rf "$d" build/logs/bench-fake-*' EXIT

# expect NAME STATUS REGEX COMMAND...: what it prints goes to $d/out.
expect() {
	local name="bench $1" status=$2 regex=$3 rc=0; shift 3

	"$@" > "$d/out" 2>&1 || rc=$?
	if [ $rc != "$status" ]; then
		echo "FAILED $name: exit status $rc, not $status: $(paste -sd '|' "$d/out")"
	elif ! grep -qE -- "$regex" "$d/out"; then
		echo "FAILED $name: it says '$(paste -sd '|' "$d/out")', not '$regex'"
	else
		echo "ok $name"
	fi
}
# says NAME REGEX, silent NAME REGEX: of what the last one printed.
says() {
	if grep -qE -- "$2" "$d/out"; then
		echo "ok bench $1"
	else
		echo "FAILED bench $1: it says '$(paste -sd '|' "$d/out")', not '$2'"
	fi
}
silent() { if grep -qE -- "$2" "$d/out"; then echo "FAILED bench $1: it says '$2'"; else echo "ok bench $1"; fi; }

# ---- results ----

# result FILE JQ: a good result, changed by a filter.
result() {
	jq -n '{ format: 1, mode: "all", long: 1, commit: "abc", date: "2026-01-01T00:00:00Z", kernel: "6.1", qemu: "7.2", host: { },
		 benches: [{ name: "bench-a", ok: true, seconds: 1, time: "virtual", load_before: 0, note: "", why: "" }],
		 figures: [{ bench: "bench-a", time: "virtual", name: "small", value: 100, unit: "ns", bar: "max", limit: 110, met: true },
			   { bench: "bench-a", time: "virtual", name: "large", value: 1000, unit: "ns", bar: "", limit: null, met: null },
			   { bench: "bench-b", time: "real", name: "rate", value: 5, unit: "1/s", bar: "min", limit: 1, met: true }],
		 plots: [], points: [] }' | jq "$2" > "$d/$1"
}
compare() { tests/bench/compare.sh "$d/$1" "$d/$2"; }
table() { tests/bench/table.sh "$d/$1"; }

result good .
result little '.figures[1].value = 1009'
result much '.figures[0].value = 120 | .figures[0].met = false | .figures[2].value = 6'
result zero '.figures[1].value = 0'
result bar '.figures[0].limit = 99 | .figures[0].met = false'
result without-b '.figures |= .[:2]'
result renamed '.figures[1].name = "huge"'
result foreign-bench '.figures |= [.[0] | .bench = "bench-z"]'
result quick '.mode = "quick" | .long = 0 | .kernel = "6.2"'
result no-format 'del(.format)'
result format-2 '.format = 2'
result no-figures 'del(.figures)'
result a-null '.figures[0].value = null'
result a-word '.figures[0].value = "120"'
result no-limit '.figures[0].limit = null'
result failed '.benches[0] += { ok: false, why: "it broke", note: "run twice" } | .figures[0] += { value: 120, met: false }'
cat "$d/good" "$d/good" > "$d/two"
head -c 300 "$d/good" > "$d/torn"
: > "$d/empty"
echo '{ "dependencies": { } }' > "$d/foreign"
echo '[1, 2]' > "$d/array"
echo 'not JSON' > "$d/text"

expect compare-equal 0 '^nothing changed by more than 1 %$' compare good good
expect compare-less-than-1-% 0 '^nothing changed by more than 1 %$' compare good little
expect compare-what-changed 0 '^bench-a: small +100 -> +120 ns +20 % +bar now MISSED$' compare good much
says compare-marks-real-time '^bench-b: rate +5 -> +6 1/s +20 % +real time$'
silent compare-leaves-out-what-did-not-change 'large'
expect compare-back 0 'bench-a: small .* -16.7 % +bar now met$' compare much good
expect compare-from-zero 0 '^bench-a: large +0 -> +1000 ns' compare zero good
expect compare-only-a-bar 0 '^bench-a: small +100 -> +100 ns +0 % +bar now MISSED$' compare good bar
expect compare-a-bench-less 0 '^only in the old: bench-b$' compare good without-b
expect compare-a-bench-more 0 '^only in the new: bench-b$' compare without-b good
expect compare-another-name 0 '^only in the old: bench-a: large$' compare good renamed
says compare-another-name-new '^only in the new: bench-a: huge$'
expect compare-other-mode 0 '^one is of all, LONG=1, the other of quick, LONG=0: the numbers of operations differ$' compare good quick
says compare-other-kernel '^kernel: 6.1 -> 6.2$'
expect compare-nothing-in-common 1 'no bench is in both; old: bench-a bench-b; new: bench-z$' compare good foreign-bench
expect compare-needs-two 2 'compare.sh OLD NEW' tests/bench/compare.sh "$d/good"
expect compare-missing 1 "compare.sh: can't read $d/none\$" compare good none
expect compare-a-directory 1 "compare.sh: can't read $d\$" tests/bench/compare.sh "$d" "$d/good"
for f in torn empty text; do
	expect "compare-$f" 1 "compare.sh: $d/$f is no JSON\$" compare good $f
done
for f in two foreign array no-format format-2 no-figures a-null a-word no-limit; do
	expect "compare-$f" 1 "compare.sh: $d/$f is no result of a bench run\$" compare $f good
done
expect make-bench-compare 2 'make bench-compare OLD=FILE NEW=FILE' make -s bench-compare OLD="$d/good"

expect table-good 0 '^bench-a \(virtual time\)$' table good
says table-a-bar '^  small +100 ns +met, at most 110$'
says table-no-bar '^  large +1000 ns$'
says table-at-least '^  rate +5 1/s +met, at least 1$'
expect table-failed 0 '^bench-a: FAILED: it broke$' table failed
says table-note '^bench-a: run twice$'
says table-missed '^  small +120 ns +MISSED, at most 110$'
expect table-torn 1 "table.sh: $d/torn is no JSON\$" table torn
expect table-foreign 1 "table.sh: $d/foreign is no result of a bench run\$" table foreign
expect table-missing 1 "table.sh: can't read $d/none\$" table none

# ---- runs ----

mkdir "$d/bin" "$d/scenarios" "$d/out.d"
# bench NAME HEADER...: a bench; the machine does what `case` below says.
bench() {
	{ printf '# %s\n' 'Machines: 1' 'Module: no' 'Mem: 512' 'Icount: 1' 'Quick: yes' "${@:2}"; echo; } > "$d/scenarios/bench-fake-$1.sh"
}
bench good
bench hangs-once
bench hangs-always
bench without-figures
bench bad-figure
bench fails
bench real 'Time: real'
bench needs-tool 'Needs: no-such-program:no-such-package'
bench needs-module 'Needs: module/no-such-module:no-such-package'
cat > "$d/bin/qemu-system-x86_64" <<'Q'
#!/bin/bash
[ "$1" != --version ] || { echo "QEMU emulator version 0"; exit; }
for a; do
	case $a in
	local,path=*mount_tag=outbox*) box=${a#local,path=} box=${box%%,mount_tag=*} ;;
	file,id=con,*) con=${a#*path=}; echo booted > "${con%,append=on}" ;;
	esac
done
case $box in
*hangs-always*) exec sleep 1000 ;;
*hangs-once*) [ -e "$FAKE_DIR/hung" ] || { touch "$FAKE_DIR/hung"; exec sleep 1000; } ;;
*fails*) echo "SCENARIO FAIL: as told" > "$box/result"; echo "MACHINE EXIT 1" >> "$box/result"; exit ;;
esac
case $box in
*without-figures*) ;;
*bad-figure*) printf 'a figure\tmany\tns\t\t\n' > "$box/figures" ;;
*) printf 'a figure\t12.5\tns\tmax\t13\nanother\t1e+06\tbytes\t\t\n' > "$box/figures"; printf 'p\ts\tx\t1\n' > "$box/points" ;;
esac
printf '%s\n' "SCENARIO PASS" "MACHINE EXIT 0" > "$box/result"
Q
chmod +x "$d/bin/qemu-system-x86_64"

# run NAME|...: `run.sh quick` of these; what it wrote is in $d/out.d/part.json.
run() {
	rm -f "$d"/out.d/*.json "$d/hung"
	FAKE_DIR=$d PATH=$d/bin:$PATH SCENARIOS=$d/scenarios BENCH_OUT=$d/out.d BENCH_LOADAVG=$d/load MACHINE_HUNG=5 SLOTS=4 \
		T="fake-@($1)" tests/bench/run.sh quick
}
# holds NAME BENCH JQ: the result is one, and this is true of how that bench went.
holds() {
	if jq -e --arg n "bench-fake-$2" "(.benches[] | select(.name == \$n)) as \$b | [.figures[] | select(.bench == \$n)] as \$f | $3" \
		"$d/out.d/part.json" > /dev/null 2>&1; then
		echo "ok bench $1"
	else
		echo "FAILED bench $1: not so: $3"
	fi
}

echo "0.10 0.2 0.3 1/100 1000" > "$d/load"
expect run-tells-that-some-failed 1 '^results in' run 'good|hangs-once|hangs-always|without-figures|fails|real'
says run-good '^ok bench-fake-good \([0-9]+ s\): 2 figures$'
says run-table '^  a figure +12.5 ns +met, at most 13$'
holds run-good-json good '$b.ok and $b.note == "" and [$f[].value] == [12.5, 1e6] and [$f[].met] == [true, null]'
holds run-points-json good '[.points[] | select(.bench == $n) | .y] == [1]'
says run-hangs-once '^ok bench-fake-hangs-once \([0-9]+ s\): 2 figures; run twice: at first, vm hangs: no CPU time for 5 s$'
says run-hangs-once-table '^bench-fake-hangs-once: run twice: at first, vm hangs: no CPU time for 5 s$'
holds run-hangs-once-json hangs-once '$b.ok and ($b.note | test("^run twice: at first, vm hangs")) and ($f | length) == 2'
says run-hangs-always '^FAILED bench-fake-hangs-always \([0-9]+ s\): vm hangs: no CPU time for 5 s, logs in'
holds run-hangs-always-json hangs-always '($b.ok | not) and ($b.note | test("run twice")) and $f == []'
says run-without-figures '^FAILED bench-fake-without-figures .*: it left no figure, logs in'
says run-fails '^FAILED bench-fake-fails .*: SCENARIO FAIL: as told'
holds run-fails-once fails '($b.ok | not) and $b.note == "" and ($b.why | test("SCENARIO FAIL: as told"))'
says run-real-quiet '^ok bench-fake-real \([0-9]+ s\): 2 figures$'

echo "3.50 0.2 0.3 1/100 1000" > "$d/load"
expect run-all-well 0 '^ok bench-fake-real .*; the machine had other things to do: load 3.50$' run 'real|good'
holds run-real-loaded-json real '$b.load_before == 3.5 and $b.time == "real" and ($b.note | test("load 3.50"))'
holds run-virtual-loaded-json good '$b.load_before == 3.5 and $b.note == ""'
expect run-bad-figure 1 '^bench: the benches left something that is no result$' run bad-figure

expect run-no-such-bench 1 '^bench: there is no bench fake-@\(nothing\)$' run nothing
expect run-without-a-tool 1 'there is no no-such-program; it is in the package no-such-package: apt-get install no-such-package' run needs-tool
silent run-without-a-tool-runs-nothing '^(ok|FAILED)'
expect run-without-a-module 1 'there is no module no-such-module; it is in the package no-such-package' run needs-module
expect run-without-a-mode 2 'run.sh all.quick' tests/bench/run.sh

# The same with a PATH of all programs but one.
mkdir "$d/path"
IFS=: read -ra dirs <<< "$PATH"
for dir in "${dirs[@]}"; do
	find -L "$dir" -maxdepth 1 -type f -executable -exec ln -s -t "$d/path" {} + 2> /dev/null
done
# without PROGRAM PACKAGE MODE BENCH
without() {
	rm -f "$d/path/$1"
	expect "without-$1" 1 "^bench: there is no $1; it is in the package $2: apt-get install $2" \
		env PATH="$d/path" T="$4" BENCH_OUT="$d/out.d" tests/bench/run.sh "$3"
	silent "without-$1-runs-nothing" '^(ok|FAILED)'
}
without drbdmeta drbd-utils all drbd
without gnuplot gnuplot-nox all foreground
without tc iproute2 quick foreground
without jq jq quick foreground
without qemu-system-x86_64 qemu-system-x86 quick foreground
