#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: two volumes of a session that are activated at the same moment by two commands, as units of a boot do it, are
# both there afterwards, every time; and so when they are removed.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 512

. "$DMO_TOP/tests/vm/lib/ordered.sh"

both() {	# END WHAT COMMAND1 -- COMMAND2
	local -a first=() pids=(); local end=$1 what=$2 n=0 pid; shift 2

	while [ "$1" != -- ]; do first+=("$1"); shift; done
	shift
	"${first[@]}" > /run/both.1 2>&1 & pids+=($!)
	"$@" > /run/both.2 2>&1 & pids+=($!)
	for pid in "${pids[@]}"; do
		n=$((n + 1))
		wait "$pid" || { failed=$((failed + 1)); echo "$what at $end: $(cat /run/both.$n)"; why=$(head -n 1 /run/both.$n); }
	done
}
create() { echo "orderedctl create one-$1-$2 --meta ${S_dev[one-$1m]} --volume $2 --data ${S_dev[one-$1d$2]}"; }
gone() {
	local v

	for v in 1 2; do
		! dmsetup info "one-$1-$v" > /dev/null 2>&1 || dmsetup remove --retry "one-$1-$v"
	done
}

load_module
session_make one 2 8 equal=1 create=0
failed=0 why='' rounds=$(long 25 200)
for end in p s; do
	step "$rounds times at $end"
	for ((i = 0; i < rounds; i++)); do
		was=$failed
		# shellcheck disable=SC2046 # words
		both $end create $(create $end 1) -- $(create $end 2)
		[ $was != $failed ] || both $end remove orderedctl remove one-$end-1 -- orderedctl remove one-$end-2
		gone $end
	done
done
[ $failed = 0 ] || fail "$failed of $((rounds * 8)) commands failed, the last one: $why"
session_create one p
session_create one s
session_link one
session_drain one
session_remove one
pass
