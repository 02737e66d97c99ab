#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scan-log.sh [-x REGEX]... FILE...: print every line of kernel logs that tells of a defect and exit
# with 1 if there is one, 0 if there is none, 2 if a file can't be read. -x: lines that match the
# regular expression (grep -E) are expected and don't count.

set -euo pipefail

# What the kernel says when something is wrong with it, whatever the test thinks of its result.
bad='\bBUG\b|\bBUG:|\bOops\b|WARNING:|kernel panic|Kernel panic'
bad+='|general protection fault|unable to handle|Unable to handle|stack segment:|divide error|invalid opcode|double fault'
bad+='|Call Trace:|------------\[ cut here \]'
bad+='|KASAN|KFENCE|KMSAN|KCSAN|UBSAN'
bad+='|possible recursive locking|possible circular locking|inconsistent lock state|suspicious RCU usage'
bad+='|held lock freed|lock held when returning|bad unlock balance|possible irq lock inversion|locks? held by'
bad+='|trying to register non-static key|turning off the locking correctness validator'
bad+='|sleeping function called|scheduling while atomic|DEBUG_LOCKS_WARN|ODEBUG:|list_(add|del) corruption'
bad+='|blocked for more than|soft lockup|hard LOCKUP|rcu.*detected.*stalls|rcu.*self-detected stall|workqueue lockup'
bad+='|kmem_cache_destroy|Objects remaining|[Ss]lab.*still has objects|still has objects'
bad+='|\b[Ll]eak(ed|s)?\b|unreferenced object'
bad+='|refcount_t:|percpu ref.*<= 0|[^/]use-after-free|double[- ]free|out-of-bounds|redzone|Poison overwritten'
bad+='|Bad page (state|map)|page allocation failure|Out of memory:|oom-kill|invoked oom-killer'
bad+='|unregister_netdevice: waiting|Module .* in use.*forced|segfault at|trap [a-z ]* ip:'
bad+='|bad: scheduling from|Attempted to kill|not syncing|irq [0-9]+: nobody cared'
bad+='|EXT4-fs error|XFS .*(Corruption|Internal error|metadata I/O error)'

# Lines that look like the above and are harmless, all of them known by name.
good='loading out-of-tree module taints kernel|module verification failed: signature'
good+='|x86/cpu: .*mitigation|Spectre V2|MDS:|L1TF|SRBDS|MMIO Stale|Speculative|RETBleed|GDS:|ITLB_MULTIHIT|TAA:|Vulnerable'
good+='|kmemleak: Kernel memory leak detector initialized|kmemleak: Automatic memory scanning'
good+='|kasan: KernelAddressSanitizer initialized'
good+='|hung_task|Kernel command line:|Unknown kernel command line|Lock dependency validator|UBSAN_|CONFIG_'
good+='|soft lockup.*watchdog enabled|RCU CPU stall'

expect=()
while getopts x: o; do
	case $o in
	x) expect+=(-e "$OPTARG") ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { echo "scan-log.sh: no file named" >&2; exit 2; }

found=0
for f in "$@"; do
	[ -r "$f" ] || { echo "scan-log.sh: can't read $f" >&2; exit 2; }
	lines=$(grep -anE -- "$bad" "$f" | grep -avE -- "$good" || true)
	if [ ${#expect[@]} -gt 0 ] && [ -n "$lines" ]; then
		lines=$(grep -avE "${expect[@]}" <<< "$lines" || true)
	fi
	[ -n "$lines" ] || continue
	found=1
	printf '%s\n' "$lines" | sed "s|^|$(basename "$f"):|" | tr -d '\r'
done
exit $found
