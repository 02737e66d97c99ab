#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: nothing by itself; records all disks of both ends while chunks that are larger than the ring are copied
# directly, links break in the midst of that and at its end, and the primary restarts. tests/images/ makes crashes of it.
# Kernels: 6.12
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 1280

. "$DMO_TOP/tests/vm/lib/recorded.sh"

load_module
recorded_make a 2 1 pmeta=2 smeta=2 cycle=40
events_start
load=(--lanes 3 --seconds 600 --min 512 --max 16k --discard 4 --zero 4 --fua 5 --flush 3 --pause 12000)

# copied: the copy has ended, and all that was written is there.
copied() {
	session_copied a
	load_stop "$(pvol a 1)"
	session_drain a
}

step "more than the ring takes, over links that break"
for cut in "--cut 10:40 --cut-ends 1" ""; do
	check "much is written" dmoload fill "$(pvol a 2)" --seed "$((SEED + 9 + ${#cut}))"
	load_start "$(pvol a 1)" --seed "$SEED" "${load[@]}"
	# shellcheck disable=SC2086 # words
	recorded_link a $cut --seed "$SEED"
	sleep "$(long 1 10)"
	if [ -n "$cut" ]; then recorded_unlink a; recorded_link a; fi
	copied
	recorded_unlink a
done

step "the primary restarts"
session_remove a p
session_create a p
load_start "$(pvol a 1)" --seed "$((SEED + 2))" "${load[@]}"
recorded_link a
sleep "$(long 1 5)"
copied
recorded_unlink a
session_equal a
session_remove a
record_stop
events_stop
[ "$(grep -c ' inconsistent ' /run/events)" -ge 3 ] || fail "nothing was copied directly: $(cat /run/events)"
pass
