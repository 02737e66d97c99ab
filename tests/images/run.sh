#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh: record (vm/record-*.sh), make crash images of each log and recover them in userspace (dmoimages), let a
# real kernel recover a sample (vm/sample-*.sh); a line for each. KERNEL, SEED, LONG, SLOTS and T (a glob, of what
# follows record-) as in tests/run.sh. COUNT=N and SAMPLE=N images of each log.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
logs=build/logs
mkdir -p "$logs" build/images
SEED=${SEED:-1} LONG=${LONG:-0} slots=${SLOTS:-2}
export SEED LONG SCENARIOS=tests/images/vm
if [ "$LONG" = 1 ]; then
	count=${COUNT:-520000} sample=${SAMPLE:-250}
else
	count=${COUNT:-12000} sample=${SAMPLE:-15}
fi

header() { sed -n '/^[^#]/q; /^$/q; s/^# '"$2"': *//p' "$SCENARIOS/$1.sh"; }

# kernel NAME: the one that a scenario is to run under.
kernel() { echo "${KERNEL:-$(header "$1" Kernels)}"; }

# scenario NAME: one line for it. False: it failed.
scenario() {
	local start=$SECONDS out k; k=$(kernel "$1")

	if out=$(scripts/scenario.sh "$1" "$k" 2>&1); then
		echo "ok $1 ($k, $(grep -shE '^(IMAGES|LOG) ' "$logs/$1-$k/vm/result" | tr 'A-Z\n' 'a-z,' || true) $((SECONDS - start)) s)"
	else
		out=$(tail -n 1 <<< "$out" | tr -d '\r')
		echo "FAILED $1 ($k, $((SECONDS - start)) s): ${out:-no reason given}, logs in $logs/$1-$k"
		return 1
	fi
}

# scenarios NAME...: as many at a time as there is place for; keeps only the names that went well in $good.
scenarios() {
	local name pid running=0
	local -A of=()

	good=()
	for name in "$@"; do
		[ $running -lt "$slots" ] || { reap; running=$((running - 1)); }
		scenario "$name" &
		of[$!]=$name
		running=$((running + 1))
	done
	while [ $running -gt 0 ]; do
		reap
		running=$((running - 1))
	done
}
reap() { if wait -n -p pid; then good+=("${of[$pid]}"); fi; }

# images NAME: all crash images of that recording, and the sample for a kernel.
images() {
	local log start=$SECONDS out sampled; log=$logs/record-$1-$(kernel "record-$1")/vm/record.log

	if out=$(timeout 3600 build/images/dmoimages "$log" --count "$count" --seed "$SEED" --jobs "$(nproc)" 2>&1); then
		echo "ok images-$1 ($out; $((SECONDS - start)) s)"
	else
		grep -m 1 '^FAILED' <<< "$out" || echo "FAILED images-$1: ended without a word: $out"
		return 1
	fi
	rm -rf "build/images/sample-$1"; mkdir -p "build/images/sample-$1"
	sampled=$(build/images/dmoimages "$log" --sample "$sample" --seed "$SEED" --dump "build/images/sample-$1" 2>&1) || {
		echo "FAILED sample-$1: $sampled"
		return 1
	}
}

wanted=()
for f in "$SCENARIOS"/record-*.sh; do
	f=$(basename "$f" .sh)
	# shellcheck disable=SC2053 # T is a pattern
	if [ -z "${T:-}" ] || [[ ${f#record-} == $T ]]; then
		wanted+=("${f#record-}")
	fi
done
[ ${#wanted[@]} -gt 0 ] || { echo "FAILED images: no recording is called ${T:-}"; exit; }

for k in $(for x in "${wanted[@]}"; do kernel "record-$x"; kernel "sample-$x"; done | sort -u); do
	scripts/build-module.sh "$k" > "$logs/module-$k.log" 2>&1 ||
		echo "FAILED module ($k): doesn't build, see $logs/module-$k.log"
	MODULE=powercut scripts/build-module.sh "$k" > "$logs/powercut-$k.log" 2>&1 ||
		echo "FAILED powercut ($k): doesn't build, see $logs/powercut-$k.log"
	scripts/initrd.sh "$k" > /dev/null
done
if ! make -s -C userspace > "$logs/tool-build.log" 2>&1 ||
		! make -s -C tests/images > "$logs/images-build.log" 2>&1; then
	echo "FAILED images: doesn't build, see $logs/tool-build.log and $logs/images-build.log"
	exit
fi

scenarios "${wanted[@]/#/record-}"
samples=()
for x in "${good[@]#record-}"; do
	if images "$x"; then samples+=("sample-$x"); fi
done
[ ${#samples[@]} = 0 ] || scenarios "${samples[@]}"
