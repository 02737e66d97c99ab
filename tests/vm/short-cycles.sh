#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: cycles of 1 ms under load, with listeners that slow down whoever tells of a commit: no link ends, for a restore
# that overtakes the word of its commit, or for anything else; both ends are equal at last.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 90
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
session_make one 2 8 equal=1 cycle=1
session_link one
events_start
for i in 1 2 3; do
	orderedctl monitor > "/run/more-events.$i" 2>&1 &
	echo $! >> /run/monitors
done
for v in 1 2; do
	load_start "$(pvol one $v)" --seed "$((SEED + v))" --seconds "$(long 6 60)" --lanes 3 --max $((v * v * 4096)) --pause 200
done
load_wait "$(pvol one 1)"
load_wait "$(pvol one 2)"
session_drain one
echo "cuts: $(pstat one cut), restored $(sstat one cut_restored)"
[ "$(pstat one cut.n)" -ge 60 ] || fail "only $(pstat one cut.n) cycles"
ended=$(dmesg | grep -c 'link to .* ended' || true)
same "links that ended" "$ended" 0
session_equal one
while read -r i; do kill "$i"; wait "$i" || true; done < /run/monitors
events_stop
session_unlink one
session_remove one
pass
