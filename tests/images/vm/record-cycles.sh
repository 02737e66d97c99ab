#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: nothing by itself; records all disks of both ends while chunks small and large go through a small ring, over
# links that break in the midst of chunks, a restart of the secondary. tests/images/ makes crashes of it.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 1280

. "$DMO_TOP/tests/vm/lib/recorded.sh"

load_module
recorded_make a 2 1 pmeta=3 smeta=3 cycle=30
load=(--lanes 3 --seconds 600 --min 512 --max 12k --hot 30 --discard 4 --zero 4 --fua 5 --flush 3 --pause 12000)

events_start

step "links that break"
recorded_link a --cut 5:40 --seed "$SEED"
load_start "$(pvol a 1)" --seed "$SEED" "${load[@]}"
load_start "$(pvol a 2)" --seed "$((SEED + 1))" "${load[@]}"
sleep "$(long 3 15)"

step "the secondary restarts"
recorded_unlink a
session_remove a s
sleep 0.3
session_create a s
recorded_link a --cut 60:200 --seed "$((SEED + 2))"
sleep "$(long 2 10)"
load_stop "$(pvol a 1)"
load_stop "$(pvol a 2)"

step "to the end"
recorded_unlink a
recorded_link a
session_drain a
recorded_unlink a
session_equal a
session_remove a
record_stop
events_stop
[ "$(grep -c ' link-up .*' /run/events)" -ge 8 ] || fail "hardly a link was broken: $(grep -c . /run/events) events"
pass
