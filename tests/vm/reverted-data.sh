#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a secondary whose data device alone went back to an older state is refused at its activation: after a clean stop to
# one before it was active; after a power cut also to one since then, by what the chunks restored have left in the witness.
# Kernels: 6.1
# Machines: 1
# Limit: 120
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
session_make one 1 16 equal=1
session_link one
check "load" dmoload run "$(pvol one)" --seed 1 --ops 200 --max 64k
session_drain one
session_unlink one
session_remove one s
cp /dev/shm/one-sd1.dev.img /dev/shm/older
session_create one s
session_link one
check "more load" dmoload run "$(pvol one)" --seed 2 --ops 200 --max 64k
session_drain one
session_unlink one
session_remove one s

cp /dev/shm/one-sd1.dev.img /dev/shm/newest

step "the data device as it was before"
dd if=/dev/shm/older of="$(sdata one)" bs=1M oflag=direct conv=fsync status=none
refused "activation" "." orderedctl create --meta "$(smeta one)" --map "1=$(sdata one),one-s-1" --allow-reads

step "the right one again"
dd if=/dev/shm/newest of="$(sdata one)" bs=1M oflag=direct conv=fsync status=none
session_create one s
session_link one
check "load since the activation" dmoload run "$(pvol one)" --seed 3 --ops 100 --max 64k
session_drain one
cp /dev/shm/one-sd1.dev.img /dev/shm/older
check "more load" dmoload run "$(pvol one)" --seed 4 --ops 100 --max 64k
session_drain one
# what a power cut leaves: nothing is in a cache
dd if="$(smeta one)" of=/dev/shm/meta bs=1M iflag=direct status=none
cp /dev/shm/one-sd1.dev.img /dev/shm/newest
session_unlink one
session_remove one s
dd if=/dev/shm/meta of="$(smeta one)" bs=1M oflag=direct conv=fsync status=none
dd if=/dev/shm/older of="$(sdata one)" bs=1M oflag=direct conv=fsync status=none
refused "activation" "blocks looked at on data device .* differ" orderedctl create --meta "$(smeta one)" --map "1=$(sdata one),one-s-1" --allow-reads
dd if=/dev/shm/newest of="$(sdata one)" bs=1M oflag=direct conv=fsync status=none
session_create one s
session_link one
session_drain one
session_unlink one
session_remove one
unload_module
pass
