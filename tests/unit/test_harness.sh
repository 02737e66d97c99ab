#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: scripts/scenario.sh lets a scenario pass only when it says so itself and nothing is wrong.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export SCENARIOS; SCENARIOS=build/harness-scenarios
rm -rf "$SCENARIOS"; mkdir -p "$SCENARIOS"
trap 'rm -rf "$SCENARIOS" build/logs/harness-*' EXIT

# expect NAME STATUS REGEX: its body is on stdin, with more header lines before the first blank line.
expect() {
	local name=harness-$1 rc=0 out

	{ printf '# %s\n' 'Machines: 1' 'Module: no' 'Mem: 512'; cat; } > "$SCENARIOS/$name.sh"
	out=$(scripts/scenario.sh "$name" 6.1 2>&1) || rc=$?
	if [ $rc != "$2" ]; then
		echo "FAILED $name: exit status $rc, not $2: $out"
	elif ! grep -qE -- "$3" <<< "$out"; then
		echo "FAILED $name: said '$out', not '$3'"
	else
		echo "ok $name"
	fi
}

expect passes 0 '' <<'S'

check "true is true" true
pass
S
expect fails-by-itself 1 'SCENARIO FAIL: as told' <<'S'

fail "as told"
S
expect fails-by-a-command 1 'last failure: false \(harness-fails-by-a-command.sh:' <<'S'

false
pass
S
expect fails-without-the-word 1 'neither pass nor fail' <<'S'

true
S
expect fails-by-a-kernel-warning 1 'kernel log tells of a defect: .*WARNING: CPU' <<'S'

echo "WARNING: CPU: 0 PID: 1 at made up" > /dev/kmsg
pass
S
expect passes-with-an-expected-line 0 '' <<'S'
# Expect-log: WARNING: CPU: 0 .* made up

echo "WARNING: CPU: 0 PID: 1 at made up" > /dev/kmsg
pass
S
expect fails-by-a-crash 1 'never ended: .*panic.* < sysrq_handle_crash' <<'S'

echo c > /proc/sysrq-trigger
pass
S
expect fails-by-its-limit 1 'after .* s' <<'S'
# Limit: 8

sleep 1000
pass
S
