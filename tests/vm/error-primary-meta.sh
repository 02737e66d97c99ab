#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: errors of the primary's metadata device: an activation that can't write or read it fails with the reason and
# leaves nothing; later it is named and sticky, no link is taken any more, but the host's writes go on.
# Kernels: 6.1
# Machines: 1
# Limit: 180
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# no_create WHAT REGEX: the primary can't be activated; tool or log say why.
no_create() {
	dmesg -C
	if orderedctl create --meta "$(pmeta one)" --map "1=$(pdata one),one-p-1" > /run/out 2>&1; then fail "$1: activated"; fi
	dmesg >> /run/out
	grep -qE -- "$2" /run/out || fail "$1: no word of it: $(tail -n 5 /run/out)"
	[ ! -e "$(pvol one)" ] || fail "$1: a device is left"
	refused "$1: no session is left" "no active session|is not active" orderedctl status "$(pmeta one)" --json
}

load_module
session_make one 1 8 mdisk=lin+power cycle=50 create=0
lower=${S_dev[one-pm.lower]}
session_create one s

step "activation"
for i in 1 2 3 4; do
	power_fail one-pm.dev write 1 $((i - 1))
	no_create "write $i fails" "(state block|superblock), copy [01]: write failed"
done
disk_error one-pm "$lower" 256 8	# state block 0
check "one state block can't be read or written: seen by the tool" orderedctl dump "$(pmeta one)" > /dev/null
no_create "one state block fails all I/O" "state block, copy 0: write failed|slot 0"
disk_error one-pm "$lower" 0 256
no_create "superblocks can't be read" "can't be read|read failed|Input/output"
disk_good one-pm "$lower"
session_create one p
events_start
session_link one
session_copied one
load_start "$(pvol one)" --seed "$SEED" --lanes 4 --seconds 600 --max 64k --pause 3000 --verify --fua 3 --flush 3 --discard 3

step "in use"
disk_error one-pm "$lower"
refused "a parameter" "write failed" orderedctl set "$(pmeta one)" --cycle-ms 60
wait_stat 5 "$(pmeta one)" state failed
event_wait 5 ' error .*write failed'
same "what blocks" "$(pstat one block)" meta-error
disk_good one-pm "$lower"
before=$(pstat one 'volumes[0].writes')
sleep 1
[ "$(pstat one 'volumes[0].writes')" -gt "$before" ] || fail "the host's writes stand still"
same "sticky" "$(pstat one state)" failed
session_unlink one
session_try_link one 3 > /run/out && fail "a link was made"
grep -qE "metadata|write failed" /run/out || fail "no reason: $(cat /run/out)"
load_stop "$(pvol one)"
[ "$load_max_ms" -lt 3000 ] || fail "a write took $load_max_ms ms"
same "the secondary is at a point in time" "$(sstat one inconsistent)" false

step "activated again"
session_remove one p
session_create one p
session_link one
session_copied one
session_drain one
session_equal one
session_remove one
events_stop
pass
