#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scenario.sh NAME KERNEL: run tests/vm/NAME.sh under KERNEL (6.1, 6.12, debug), logs in
# build/logs/NAME-KERNEL/. Succeeds only if the scenario says so itself and no log tells of a defect;
# else the last line printed says why. SEED=N, LONG=1, KEEP=1 (keep the drives), SCENARIOS=DIR (instead of
# tests/vm) are heeded.
#
# A scenario's header, comment lines before its first command:
#   # Shows: what it proves, a sentence     # Kernels: 6.1 6.12 debug    those `make check` runs it under
#   # Not-debug: why it can't run under the debug kernel (which lacks what stock kernels have as modules)
#   # Machines: 1 or 2                      # Limit: seconds, trebled for the debug kernel; with Icount of CPU time
#   # Mem: MiB a machine                    # Cpus: a machine, default 1
#   # Drives: SERIAL:SIZE[:raw|qcow2|plain] ...   # Icount: 1 for repeatable virtual time
#   # Append: words for the kernel command line
#   # Expect-log: REGEX   lines of the kernel log that are no defect here (may be given several times)
#   # Module: no          it doesn't need the module
#
# With one machine the file runs in it (tests/vm/lib/guest.sh is there) and ends with `pass`. With two,
# the file holds only functions: host(), run here with scripts/machine.sh and `guest_start`,
# `scenario_pass`, `host_fail` below; and what guest_start names, run in a machine.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
[ $# = 2 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
name=$1 kernel=$2
file=${SCENARIOS:-tests/vm}/$name.sh
[ -e "$file" ] || { echo "there is no $file"; exit 2; }

# shellcheck source=scripts/machine.sh
. scripts/machine.sh

header() { sed -n '/^[^#]/q; /^$/q; s/^# '"$1"': *//p' "$file"; }

MACHINE_DIR=$top/build/logs/$name-$kernel
MACHINE_KERNEL=$kernel
MACHINE_MEM=$(header Mem)
MACHINE_SMP=$(header Cpus)
MACHINE_ICOUNT=$(header Icount)
MACHINE_APPEND=$(header Append)
MACHINE_MODULE=
release=$(scripts/kernels.sh version "$kernel")
MACHINE_ENV=("LONG=${LONG:-0}" "SEED=${SEED:-1}" "DMO_POWERCUT=$top/build/powercut/$release/dm-powercut.ko"
	     "DMO_KUNIT=$top/build/kunit/$release/dm-ordered-kunit.ko")
machines=$(header Machines); machines=${machines:-1}
limit=$(header Limit); limit=${limit:-120}
[ "$MACHINE_SMP" ] || MACHINE_SMP=1
# The long run gives two to all that are alone.
[ "${LONG:-0}" != 1 ] || [ "$machines" = 2 ] || MACHINE_SMP=2
if [ "$kernel" = debug ]; then
	limit=$((limit * 3))
	MACHINE_MEM=$((${MACHINE_MEM:-1024} + 1536))
fi
[ "${LONG:-0}" != 1 ] || limit=$((limit * 10))
if [ "$(header Module)" != no ]; then
	MACHINE_MODULE=$top/build/$release/dm-ordered.ko
	[ -e "$MACHINE_MODULE" ] || { echo "$MACHINE_MODULE isn't built: run make module-all"; exit 1; }
fi
make -s -C tests/vm/lib
mkdir -p "$top/build/logs"
exec 8> "$MACHINE_DIR.lock"
flock -n 8 || { echo "this scenario is being run already"; exit 1; }
rm -rf "$MACHINE_DIR"; mkdir -p "$MACHINE_DIR"

passed=0
host_fail() { trap - ERR; machine_stop_all; echo "$*"; exit 1; }

# guest_start NAME FUNCTION [ARG...]: boot machine NAME (a or b) and run FUNCTION of this file in it.
guest_start() {
	local machine=$1; shift

	machine_start "$machine" bash tests/vm/lib/enter.sh "$file" "$@"
}

# scenario_pass: what host() ends with, when all it wanted to see was seen.
scenario_pass() { passed=1; echo "SCENARIO PASS" >> "$MACHINE_DIR/host.result"; }

cleanup() {
	machine_stop_all
	[ -z "${watchdog:-}" ] || kill "$watchdog" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 143' TERM INT
# Bash runs the trap between commands, and every wait of machine.sh is short.
trap 'host_fail "not over after $wall s"' ALRM
me=$$
wall=$limit
[ "$MACHINE_ICOUNT" != 1 ] || wall=$((limit * 20))	# machine_finish looks after it; a busy host takes what it takes
(trap - EXIT TERM INT; sleep "$wall" & s=$!; trap 'kill $s' TERM; wait $s && kill -ALRM $me) > /dev/null 2>&1 &
watchdog=$!

if [ "$machines" = 1 ]; then
	for d in $(header Drives); do
		IFS=: read -r serial size format <<< "$d"
		machine_drive vm "$serial" "$size" "${format:-raw}"
	done
	machine_start vm bash tests/vm/lib/enter.sh "$file"
	if ! machine_finish vm "$limit" 2> "$MACHINE_DIR/why"; then
		host_fail "$(sed 's/^machine: //' "$MACHINE_DIR/why")"
	fi
	grep -qx "SCENARIO PASS" "$MACHINE_DIR/vm/result" || host_fail "it never said SCENARIO PASS"
else
	# shellcheck disable=SC1090
	. "$file"
	exec 3>&1 > "$MACHINE_DIR/host.log" 2>&1
	set -E
	host_fail() {
		trap - ERR
		machine_stop_all
		echo "FAIL: $*"; echo "$*" >&3
		exit 1
	}
	trap 'echo "$BASH_COMMAND failed ($(basename "${BASH_SOURCE[0]}"):$LINENO); $(grep -h "^machine:" "$MACHINE_DIR/host.log" | tail -n 1)" >&3; exit 1' ERR
	host
	trap - ERR
	exec 1>&3 2>&1
	[ $passed = 1 ] || host_fail "its host part ended without scenario_pass"
	machine_stop_all
fi

if grep -hs "^SCENARIO FAIL" "$MACHINE_DIR"/*/result; then
	exit 1
fi
expect=()
while read -r e; do
	[ -z "$e" ] || expect+=(-x "$e")
done <<< "$(header Expect-log)"
logs=("$MACHINE_DIR"/*.console)
for d in "$MACHINE_DIR"/*/dmesg; do
	[ ! -e "$d" ] || logs+=("$d")
done
if ! scripts/scan-log.sh "${expect[@]}" "${logs[@]}" > "$MACHINE_DIR/defects"; then
	echo "the kernel log tells of a defect: $(head -n 1 "$MACHINE_DIR/defects")"
	exit 1
fi
[ "${KEEP:-}" = 1 ] || rm -f "$MACHINE_DIR"/*.img
