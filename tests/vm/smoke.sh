#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the machine boots, has its disks and sites, and the module comes and goes without a trace.
# Kernels: 6.1 6.12
# Machines: 1
# Limit: 60
# Mem: 768
# Drives: spare:64M:raw

step "disks"
dd if=/dev/urandom of="$(drive spare)" bs=1M count=4 oflag=direct status=none
l=$(disk_loop one 16)
n=$(disk_null two 16 discard=1)
check "a loop disk has its size" test "$(blockdev --getsz "$l")" = 32768

step "a null_blk loses what was not flushed"
fill "$n" A 0 1 conv=fsync
fill "$n" B 7 1
null_power_cut two
same "the flushed block is there" "$(peek "$n" 0)" AAAAAAAA
same "the unflushed block is gone" "$(peek "$n" 7)" ........

step "sites"
net_sites 5
check "the sites see each other" in_pri busybox ping -c 1 -W 5 10.77.0.2

step "module"
load_module
check "the target is there" dmsetup targets
dmsetup targets | grep -q '^ordered ' || fail "no target named ordered"
unload_module
pass
