#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: scripts/scan-log.sh finds each kind of defect, and takes harmless lines for what they are.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

result() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAILED $1: exit status $2, not $3"; fi; }

finds() {
	printf '%s\n' '[    0.000000] Linux version 6.1.0' "$2" '[    9.0] sysrq: Power Off' > "$log"
	scripts/scan-log.sh "$log" > /dev/null; result "scan-log finds $1" $? 1
}
ignores() {
	printf '%s\n' "$2" > "$log"
	scripts/scan-log.sh "$log"; result "scan-log ignores $1" $? 0
}

finds a-warning '[    1.0] WARNING: CPU: 0 PID: 7 at drivers/md/x.c:3 f+0x1/0x2 [dm_ordered]'
finds a-warning-behind-output 'SCENARIO PA[    1.0] WARNING: CPU: 0 PID: 7 at x.c:3'
finds a-bug '[    1.0] kernel BUG at drivers/md/x.c:3!'
finds a-null-dereference '[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008'
finds an-oops '[    1.0] Oops: 0002 [#1] PREEMPT SMP PTI'
finds a-protection-fault '[    1.0] general protection fault, probably for non-canonical address'
finds kasan '[    1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2'
finds kasan-wild '[    1.0] KASAN: null-ptr-deref in range [0x0000000000000008-0x000000000000000f]'
finds kasan-of-stack '[    1.0] BUG: KASAN: stack-out-of-bounds in f+0x1/0x2'
finds ubsan-bounds '[    1.0] UBSAN: array-index-out-of-bounds in x.c:3:1'
finds ubsan '[    1.0] UBSAN: shift-out-of-bounds in x.c:3:1'
finds lockdep-circular '[    1.0] WARNING: possible circular locking dependency detected'
finds lockdep-irq '[    1.0] WARNING: inconsistent lock state'
finds lockdep-held '[    1.0] 1 lock held by dmo-ship/7:'
finds lockdep-recursive '[    1.0] WARNING: possible recursive locking detected'
finds lockdep-inversion '[    1.0] WARNING: possible irq lock inversion dependency detected'
finds lockdep-context '[    1.0] [ BUG: Invalid wait context ]'
finds lockdep-freed '[    1.0] WARNING: held lock freed!'
finds lockdep-unlock '[    1.0] WARNING: bad unlock balance detected!'
finds lockdep-key '[    1.0] INFO: trying to register non-static key.'
finds lockdep-switched-off '[    1.0] turning off the locking correctness validator.'
finds lockdep-overflow '[    1.0] BUG: MAX_LOCKDEP_CHAINS too low!'
finds rcu-usage '[    1.0] WARNING: suspicious RCU usage'
finds a-sleep-in-atomic '[    1.0] BUG: sleeping function called from invalid context at mm/slab.h:3'
finds atomic-scheduling '[    1.0] BUG: scheduling while atomic: dmo/7/0x2'
finds preemptible-per-cpu-access '[    1.0] BUG: using smp_processor_id() in preemptible [00000000] code: dmo_tx1/7'
finds an-overrun-stack '[    1.0] Kernel panic - not syncing: corrupted stack end detected inside scheduler'
finds a-hung-task '[   99.0] INFO: task dmsetup:7 blocked for more than 45 seconds.'
finds a-soft-lockup '[   99.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [dmo:7]'
finds an-rcu-stall '[   99.0] rcu: INFO: rcu_preempt self-detected stall on CPU'
finds a-left-over-cache '[    1.0] kmem_cache_destroy dm_ordered_slot: Slab cache still has objects'
finds left-over-objects '[    1.0] BUG dm_ordered_slot (Tainted: G): Objects remaining in dm_ordered_slot on __kmem_cache_shutdown()'
finds a-leak '[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'
finds a-leak-of-ours '[    1.0] device-mapper: ordered: leaked 3 slots'
finds an-unreferenced-object 'unreferenced object 0xffff888004b9a000 (size 64):'
finds kmemleak-switched-off '[    1.0] kmemleak: Kernel memory leak detector disabled'
finds a-refcount '[    1.0] refcount_t: underflow; use-after-free.'
finds list-corruption '[    1.0] list_del corruption. prev->next should be ffff'
finds debug-objects '[    1.0] ODEBUG: free active (active state 0) object type: timer_list'
finds an-allocation-failure '[    1.0] dmo: page allocation failure: order:4, mode:0x40cc0'
finds the-oom-killer '[    1.0] dd invoked oom-killer: gfp_mask=0x140cca'
finds a-panic '[    1.0] Kernel panic - not syncing: Fatal exception'
finds filesystem-damage '[    1.0] EXT4-fs error (device dm-0): ext4_lookup:1: inode #2: bad'
finds a-crashed-tool '[    1.0] orderedctl[7]: segfault at 0 ip 0000 sp 0000 error 4'
finds network-device-left '[    1.0] unregister_netdevice: waiting for eth0 to become free'

ignores taint '[    1.0] dm_ordered: loading out-of-tree module taints kernel.'
ignores signature '[    1.0] dm_ordered: module verification failed: signature and/or required key missing - tainting kernel'
ignores kmemleak-start '[    1.0] kmemleak: Kernel memory leak detector initialized (mem pool available: 63200)'
ignores rcu-debugging '[    0.6] rcu: 	RCU callback double-/use-after-free debug is enabled.'
ignores ordinary-errors '[    1.0] Buffer I/O error on dev dm-0, logical block 3, async page read'
ignores debugging '[    1.0] debug: DEBUG level set; BUGS: none'

printf '%s\n' 'x EXT4-fs error (device dm-0): hello' > "$log"
scripts/scan-log.sh -x 'EXT4-fs error .*dm-0' "$log"; result "scan-log -x takes an expected line away" $? 0
printf '%s\n' 'x EXT4-fs error (device dm-0): hello' 'x WARNING: at y' > "$log"
scripts/scan-log.sh -x 'EXT4-fs error .*dm-0' "$log" > /dev/null; result "scan-log -x takes no other line away" $? 1
scripts/scan-log.sh /nonexistent 2> /dev/null; result "scan-log fails without its file" $? 2
