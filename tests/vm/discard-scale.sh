#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: what a discard costs does not grow with its length: 64 GiB take no more than ten times what 1 GiB takes,
# in memory that the budget bounds, and are shipped as extents; long ones racing with writes, at odd ends, during a copy and
# with little memory leave the ends equal.
# Kernels: 6.1
# Machines: 1
# Limit: 200
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
need_module loop
for e in p s; do
	truncate -s 64G /dev/shm/big-$e
	S_dev[one-${e}d1]=$(losetup -f --show /dev/shm/big-$e)
done
session_make one 1 65536 equal=1 disk=given pmeta=256 smeta=256 budget=64
session_link one
took() { local t; t=$(now_ms); "$@" > /dev/null || fail "$*"; echo $(($(now_ms) - t)); }
one=$(took blkdiscard -f -l 1G "$(pvol one)")
session_drain one
all=$(took blkdiscard -f "$(pvol one)")
session_drain one 100
say "1 GiB: $one ms; 64 GiB: $all ms; sent $(pstat one link_tx_bytes) bytes"
[ "$all" -le $((one * 10 + 500)) ] || fail "64 GiB took $all ms, 1 GiB $one ms"
[ "$(pstat one link_tx_bytes)" -lt 1048576 ] || fail "a discard was shipped in $(pstat one link_tx_bytes) bytes"
session_unlink one
session_remove one

step "racing with writes"
session_make two 1 40 equal=0 budget=4 cycle=100
check "old content" dmoload fill "$(pdata two)" --seed 3
for n in 1 2; do
	[ $n = 2 ] || session_link two		# the first time during the copy
	load_start "$(pvol two)" --seed $((SEED + n)) --lanes 3 --ops "$(long 40 1000)" --max 6M --discard 30 --zero 10 --flush 3 --hot 30
	load_wait "$(pvol two)"
	session_copied two
	session_drain two
	session_equal two
done
session_remove two
pass
