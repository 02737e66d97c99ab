#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: reads in the midst of writes bring the newest completed write, always: with little memory, while blocks become
# references and are copied out, cycles switch, links come and go, and fio looks as well.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 120
# Mem: 640

. "$DMO_TOP/tests/vm/lib/ordered.sh"

has_refs() { [ "$(pstat one chunk_active.refs)" -gt 0 ]; }

load_module
session_make one 1 24 equal=1 budget=1 cycle=50
session_link one

step "reads among writes"
load_start "$(pvol one)" --seed "$SEED" --lanes 6 --seconds 600 --max 128k --hot 40 --pause 1000 \
	--read 40 --discard 5 --zero 5 --fua 3 --flush 2 --verify
for ((i = 0; i < $(long 2 10); i++)); do
	sleep 1
	session_unlink one
	wait_for 20 "a block becomes a reference" has_refs
	session_link one
done
load_stop "$(pvol one)"
session_drain one
[ "$(pstat one 'volumes[0].copyouts')" -gt 0 ] || fail "no block was copied out"
[ "$(pstat one 'volumes[0].reads')" -gt 100 ] || fail "nothing was read"
session_equal one

step "fio"
out=$(fio --name=v --filename="$(pvol one)" --direct=1 --ioengine=libaio --iodepth=8 --rw=randrw --rwmixread=30 --bsrange=512-64k \
	--bs_unaligned=0 --blockalign=512 --size=12M --io_size="$(long 8M 200M)" --verify=crc32c --verify_backlog=64 --verify_fatal=1 \
	--random_generator=lfsr --randseed="$SEED" --minimal 2>&1) || fail "fio: $out"
echo "${out:0:200}"
session_drain one
session_equal one
session_remove one
pass
