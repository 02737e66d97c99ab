#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: two sides declared equal at format replicate without a copy: nothing but what is written goes over
# the wire, and the secondary is promotable from the start; a primary that was active before, or a declaration of one
# side alone, leads to a full copy.
# Kernels: 6.1
# Machines: 1
# Limit: 90
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module

step "both declared equal"
session_make one 1 32 equal=1
same "the secondary is a point in time" "$(sstat one inconsistent)" false
session_link one
check "write 64 KiB" dd if=/dev/urandom of="$(pvol one)" bs=64k count=1 seek=3 oflag=direct status=none
session_drain one
session_equal one
sent=$(pstat one link_tx_bytes)
say "sent $sent bytes"
[ "$sent" -ge 65536 ] || fail "64 KiB were written, but only $sent bytes sent"
[ "$sent" -lt 131072 ] || fail "$sent bytes sent for 64 KiB written: that was a full copy"
same "no copy" "$(pstat one state)" replicating

step "a link lost and made again needs no copy either"
session_unlink one
check "write without a link" dd if=/dev/urandom of="$(pvol one)" bs=4k count=8 seek=100 oflag=direct status=none
session_link one
session_drain one
session_equal one
[ "$(pstat one link_tx_bytes)" -lt 131072 ] || fail "the new link began with a full copy"

step "a primary that starts again can't know that the sides are equal"
session_unlink one
session_remove one p
session_create one p
same "a copy is due" "$(pstat one copy_pending)" true
session_link one
session_copied one
session_drain one
session_equal one
[ "$(pstat one link_tx_bytes)" -gt 65536 ] || fail "no full copy after a restart"
session_unlink one
session_remove one

step "only the secondary was declared equal"
session_make two 1 8 equal=1 create=0
check "format of the primary without the declaration" orderedctl format --force --role primary --plain \
	--uuid "${S_uuid[two]}" --label two --volume 1:8M:512 "$(pmeta two)"
check "its data differs" dmoload fill "$(pdata two)" --seed 5
session_create two p
session_create two s
session_link two
session_drain two
session_equal two
session_unlink two
session_remove two
unload_module
pass
