#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: quiesced and drained, both sides hold every write that was acknowledged, each sector its newest version, at the
# cut that is reported: by the checker on either side; and they are bit-equal.
# Kernels: 6.12
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
. "$DMO_TOP/tests/vm/lib/checker.sh"
load_module
session_make a 2 12 cycle=100
meta_dev=$(lsblk -dno MAJ:MIN "$(pmeta a)" | tr -d ' ')
trace_start trace
session_link a
for ((n = 1; n <= $(long 1 10); n++)); do
	step "load $n"
	args=() ; [ $n = 1 ] || args=(--no-prefill)
	work_start "history.$n" --seed "$((SEED + n))" --volume "1=$(pvol a 1)" --volume "2=$(pvol a 2)" --pause 500 --discard 5 \
		--zero 5 --fua 5 --flush 5 --mark "500,orderedctl switch $(pmeta a)" "${args[@]}"
	work_prefilled "history.$n"
	sleep 4
	work_stop "history.$n"
	session_drain a
	session_equal a
	# the trace goes on over all loads, but a history begins anew: of later ones only A
	b=(--trace /outbox/trace --dev "$meta_dev" --need-b)
	[ $n = 1 ] || b=()
	cut=$(sstat a cut_restored)
	same "cut made and cut restored" "$(pstat a cut)" "$cut"
	look "secondary $n" --history "/outbox/history.$n" --volume "1=$(sdata a 1)" --volume "2=$(sdata a 2)" --all --cut "$cut" "${b[@]}"
	look "primary $n" --history "/outbox/history.$n" --volume "1=$(pdata a 1)" --volume "2=$(pdata a 2)" --all
	same "nothing is lost" "$(looked lost)" 0
done
trace_stop
session_unlink a
session_remove a
pass
