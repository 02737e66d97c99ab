#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: while a promotion waits for a disk that hangs, the status of all ten sessions is there within a second, that
# session's says what it waits for and since when, and another session is promoted meanwhile.
# Kernels: 6.12
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/ordered.sh"

restore_waits() { [ "$(sstat one cut_restored.n)" -lt "$(sstat one cut_committed.n)" ]; }
is_busy() { [ "$(sstat one state)" = busy ]; }

load_module
session_make one 1 8 equal=1 cycle=50 sdisk=lin+loop
session_make two 1 8 equal=1 cycle=50
others=(three four five)
for name in "${others[@]}"; do session_make "$name" 1 4 equal=1 disk=loop mdisk=loop; done
for name in one two; do
	session_link $name
	fill "$(pvol $name)" A 10 4
	session_drain $name
done
session_unlink two
session_remove two p

step "the data device of session one hangs, and it is promoted"
dmsetup suspend --noflush --nolockfs one-sd1
fill "$(pvol one)" B 20 4
wait_for 10 "a restore that can't end" restore_waits
session_unlink one
session_remove one p
orderedctl promote "$(smeta one)" > /run/promote 2>&1 &
promote=$!
wait_for 20 "the session is busy" is_busy
sleep 1
start=$(now_ms)
check "the status of all" orderedctl status --json
took=$(($(now_ms) - start))
say "RESULT the status of nine ends took $took ms"
[ $took -lt 1000 ] || fail "the status of all took $took ms"
same "what it waits for" "$(sstat one reason)" "promoting, which waits for a disk or for the peer"
[ "$(sstat one block_ms)" -ge 1000 ] || fail "busy for $(sstat one block_ms) ms only"
[ "$(sstat one block_ms)" -lt 60000 ] || fail "busy for $(sstat one block_ms) ms"
[[ $(dmsetup status one-s-1) == *"secondary busy - - - - - busy "* ]] || fail "dmsetup status: $(dmsetup status one-s-1)"
check "another is promoted" timeout 10 orderedctl promote two
kill -0 $promote || fail "the promotion of one has ended: $(cat /run/promote)"

step "the disk is back"
dmsetup resume one-sd1
wait $promote || fail "the promotion: $(cat /run/promote)"
wait_stat 20 "$(smeta one)" role primary
session_remove one s
session_remove two s
for name in "${others[@]}"; do session_remove "$name"; done
unload_module
pass
