#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the machine boots, has its disks and sites, and the module comes and goes without a trace; orderedctl loads it.
# Kernels: 6.1 6.12
# Machines: 1
# Cpus: 2
# Limit: 90
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

step "a powercut disk loses what was not flushed, overwritten blocks too"
p=$(disk_power three 8 pri)
q=$(disk_power four 8 pri 4096)
fill "$p" A 0 2 conv=fsync
fill "$q" C 0 1 conv=fsync
fill "$p" B 0 1
fill "$q" D 0 1 oflag=dsync
power_cut three 0
refused "no I/O without power" "error" peek "$p" 0
power_on four
same "the overwritten block is as it was at the flush" "$(peek "$p" 0)" AAAAAAAA
same "its neighbour, too" "$(peek "$p" 1)" AAAAAAAA
same "the block written through is there" "$(peek "$q" 0)" DDDDDDDD
check "discards work" blkdiscard "$p"
check "zeroing works" blkdiscard -z "$q"
same "a disk's status" "$(dmsetup status three | cut -d' ' -f 4,6-8)" "on 1 8 1"

step "sites"
net_sites 5
check "the sites see each other" in_pri busybox ping -c 1 -W 5 10.77.0.2

step "module"
load_module
check "the target is there" dmsetup targets
dmsetup targets | grep -q '^ordered ' || fail "no target named ordered"
unload_module

step "status loads the module"
if [ "$DMO_KERNEL" != debug ]; then	# that one has no place for modules
	refused "status without an installed module" "could not load it.*modprobe dm-ordered" orderedctl status
	# a place of its own with what it needs: depmod over all modules takes a minute here
	mkdir /run/modules
	for dep in $(modinfo -F depends "$DMO_MODULE" | tr , ' '); do
		modprobe --show-depends "$dep" | awk '$1 == "insmod" { print $2 }'
	done | sort -u | xargs -r cp -t /run/modules
	cp "$DMO_MODULE" /run/modules
	mount --bind /run/modules "/lib/modules/$(uname -r)"
	check "depmod" depmod
	same "status of nothing" "$(orderedctl status)" "no sessions"
	module_loaded || fail "status did not load the module"
	rmmod dm_ordered
	code=0
	said=$(orderedctl status --check) || code=$?
	same "status --check of nothing" "$code $said" "3 ORDERED UNKNOWN - no sessions"
	unload_module
	umount "/lib/modules/$(uname -r)"
fi
pass
