#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the same as powercut-secondary with another implementation of a disk with a volatile cache, null_blk, which
# loses all that was not flushed, but for writes over what was.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768
# Append: rcupdate.rcu_expedited=1

. "$DMO_TOP/tests/vm/lib/ordered.sh"

load_module
session_make a 1 2 disk=lin+null mdisk=lin+null pmeta=64 smeta=64 cycle=15 equal=1
step "cuts"
session_cuts a sec "$(long 100 2000)" "$SEED" --null 1 --hits "$(long 65 80)" --pause 300 --wait 30
session_equal a
session_remove a
pass
