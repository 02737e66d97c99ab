# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# fault.sh: the debug kernel's fault injection, for scenarios that source it behind ordered.sh.

fault_dir=/sys/kernel/debug

# fault_set ATTR FIELD=VALUE...
fault_set() {
	local pair

	for pair in "${@:2}"; do
		echo "${pair#*=}" > "$fault_dir/$1/${pair%%=*}"
	done
}

# Quietly, each would be told with a call trace; and whatever the allocation may wait for. Also for fail-nth.
for fault_attr in failslab fail_page_alloc fail_usercopy fail_make_request; do
	fault_set $fault_attr probability=0 interval=1 space=0 verbose=0 task-filter=N stacktrace-depth=32
done
fault_set failslab ignore-gfp-wait=N
fault_set fail_page_alloc ignore-gfp-wait=N ignore-gfp-highmem=N min-order=0

# fault_hit ATTR: it has made something fail since it was set. A slow machine may do too little in the time that a
# scenario gives it for a small percentage to fall on any, so who ends a fault waits for its first.
fault_hit() { [ "$(cat "$fault_dir/$1/times")" -lt 1000000 ]; }

# fault_memory PERCENT: of all allocations with this module on the call stack, in any thread, that many in a hundred
# fail.
fault_memory() {
	local start size attr

	read -r start size <<< "$(tail -n 1 /run/module-places)"
	for attr in failslab fail_page_alloc; do
		fault_set $attr require-start="$start" require-end="$(printf '0x%x' $((start + size)))" times=1000000 probability="$1"
	done
}

# fault_memory_off: prints how many failed, of both kinds; none is a failure of the test. The load still runs.
fault_memory_off() {
	local attr

	for attr in failslab fail_page_alloc; do
		wait_for 60 "something that $attr makes fail" fault_hit $attr
	done
	for attr in failslab fail_page_alloc; do
		fault_set $attr probability=0
		say "FAULTS $attr $((1000000 - $(cat $fault_dir/$attr/times)))"
	done
}

# fault_bio PERCENT DEVICE...: of all bios to these devices that many in a hundred fail.
fault_bio() {
	local dev n

	for dev in "${@:2}"; do
		n=$(readlink -f "$dev")
		echo 1 > "/sys/block/${n#/dev/}/make-it-fail"
	done
	fault_set fail_make_request times=1000000 probability="$1"
}

# fault_bio_off [DEVICE...]: none fails any more; prints how many did; none is a failure of the test.
fault_bio_off() {
	local dev n

	fault_hit fail_make_request || fail "fail_make_request: nothing was made to fail"
	fault_set fail_make_request probability=0
	for dev in "$@"; do
		n=$(readlink -f "$dev")
		echo 0 > "/sys/block/${n#/dev/}/make-it-fail"
	done
	say "FAULTS fail_make_request $((1000000 - $(cat $fault_dir/fail_make_request/times)))"
}
