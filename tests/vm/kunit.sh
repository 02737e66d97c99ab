#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the KUnit suites pass, all of them and every case, in a kernel that checks memory and locking, too.
# Kernels: debug
# Machines: 1
# Limit: 120
# Mem: 768
# Module: no

args=()
for f in "$DMO_TOP"/tests/kunit/*_test.c; do
	grep -q '"random.h"' "$f" || continue
	f=$(basename "$f" .c)
	args+=("$f.seed=$SEED" "$f.rounds=$(long 1 10)")
done

dmesg -C
insmod "$DMO_KUNIT" "${args[@]}"
dmesg > /outbox/ktap
awk '$1 == "dm_ordered_kunit" { print $6, $2 }' /proc/modules >> /run/module-places
rmmod dm_ordered_kunit
"$DMO_TOP/scripts/ktap.sh" debug < /outbox/ktap || fail "$("$DMO_TOP/scripts/ktap.sh" debug < /outbox/ktap | grep -m 1 ^FAILED)"
say "KUNIT $(grep -cE '    ok [0-9]' /outbox/ktap) cases"
pass
