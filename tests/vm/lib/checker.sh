# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# checker.sh: the workload and the checker of tests/checker/ (dmowork.c, dmocheck.c) in scenarios, on top of
# guest.sh; needs build/vm in PATH. Histories and traces go to /outbox, a directory of the host that is
# mounted without a cache: what was written there outlives the machine, however it dies.

# trace_start NAME: the primary's tracepoints, from now on, to /outbox/NAME.
trace_start() {
	local t=/sys/kernel/tracing

	mountpoint -q $t || mount -t tracefs tracefs $t
	if [ ! -e /run/tracing ]; then
		touch /run/tracing
		echo global > $t/trace_clock
		echo 8192 > $t/buffer_size_kb
		# the numbering begins with the first event: all at once, while nothing is written
		one_cpu tee $t/events/dm_ordered/enable <<< 1 > /dev/null
	fi
	# ahead of all others: the machine may be killed at any moment
	chrt -f 10 cat $t/trace_pipe > "/outbox/$1" &
	tracer=$!
}

# trace_sound: nothing was lost on the way.
trace_sound() {
	local lost

	lost=$(sed -n 's/^\(overrun\|commit overrun\|dropped events\): //p' /sys/kernel/tracing/per_cpu/cpu*/stats | sort -u)
	[ "$lost" = 0 ] || fail "the trace has lost events: $lost"
}

trace_stop() { trace_sound; kill "$tracer"; wait "$tracer" || true; }

# work_start NAME ARGUMENT...: dmowork in the background, its history in /outbox/NAME.  work_prefilled NAME: wait until
# each sector was written.  work_stop NAME: let it end, well.  work_gone NAME: it is over, or killed.
work_start() {
	local name=$1; shift

	dmowork --history "/outbox/$name" --run "$(printf '%x' $((RANDOM * 32768 + RANDOM + 1)))" "$@" > "/run/$name" 2>&1 &
	echo $! > "/run/$name.pid"
}
work_prefilled() { wait_for "${2:-60}" "the end of the prefilling by $1" grep -q '^prefilled' "/run/$1"; }
work_stop() {
	local rc=0

	kill "$(cat "/run/$1.pid")" 2>/dev/null || true
	wait "$(cat "/run/$1.pid")" || rc=$?
	[ $rc = 0 ] || fail "$1 ended with $rc: $(tail -n 3 "/run/$1")"
	echo "$1: $(tail -n 1 "/run/$1")"
}
work_gone() { kill -KILL "$(cat "/run/$1.pid")" 2>/dev/null || true; wait "$(cat "/run/$1.pid")" || true; }

# look WHAT ARGUMENT...: dmocheck must be content; where the trace has not come far enough yet it is asked again.
# Sets look_line to what it said in the end.
look() {
	local what=$1 rc try; shift

	for try in 1 2 3 4 5 6 7 8 9 10; do
		rc=0
		dmocheck "$@" > /run/look 2>&1 || rc=$?
		[ $rc = 3 ] || break
		sleep 0.$try
	done
	look_line=$(tail -n 1 /run/look)
	if [ $rc != 0 ]; then
		cp /run/look /outbox/look
		fail "$what: dmocheck ended with $rc: $(head -n 1 /run/look)"
	fi
	echo "$what: $look_line"
}
# looked WORD: the number behind WORD= in it
looked() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" <<< "$look_line"; }

# cuts_of META: inconsistent (0, 1) and the cuts made, complete, committed and restored, "-" for none.
cuts_of() { orderedctl status "$1" --dump | cut -f 9,19-22; }

# settled META [SECONDS]: wait until all that is committed is restored, and it isn't INCONSISTENT; sets settled_cut.
settled() {
	local bad cut complete committed restored end=$(($(now_ms) + ${2:-20} * 1000))

	while :; do
		# shellcheck disable=SC2034 # the fields in between
		read -r bad cut complete committed restored <<< "$(cuts_of "$1")"
		[ "$bad" != 0 ] || [ "$committed" != "$restored" ] || break
		[ "$(now_ms)" -lt $end ] || fail "$1 isn't settled: inconsistent=$bad committed=$committed restored=$restored"
		sleep 0.05
	done
	settled_cut=$restored
}

# ---------------------------------------------------------------- one machine a site
# The guests of scenarios that kill machines: a is the primary, b the secondary, drives data1, data2 and meta.

site_start() {
	net_machine
	. "$DMO_TOP/tests/vm/lib/ordered.sh"
	load_module
	meta=$(drive meta)
	[ "$DMO_BOOT" != 1 ] || check "format" orderedctl format --role "$1" --plain --cycle-ms 200 --link-timeout 3000 \
		--uuid 5e55107e-0000-4000-8000-00000000c4ec --volume "1:$(drive data1)" --volume "2:$(drive data2)" "$meta"
	check "create" orderedctl create --meta "$meta" --map "1=$(drive data1),v1" --map "2=$(drive data2),v2"
	say "DEV $(lsblk -dno MAJ:MIN "$meta" | tr -d ' ')"
}

# site_primary: works until it is killed; says BASE when the secondary has the prefilled volumes.
site_primary() {
	site_start primary
	trace_start "trace.$DMO_BOOT"
	orderedctl connect "$meta" 10.77.0.2:7788 --keep >> /outbox/keep 2>&1 &
	work_start "history.$DMO_BOOT" --seed "$((SEED + DMO_BOOT))" --volume 1=/dev/mapper/v1 --volume 2=/dev/mapper/v2 \
		--tokens 3 --max 262144 --pause 2000 --discard 3 --zero 3 --fua 5 --flush 5 \
		--mark "500,orderedctl switch $meta" --commit "400,orderedctl status $meta --dump | cut -f 21"
	work_prefilled "history.$DMO_BOOT"
	wait_stat 60 "$meta" link_state up
	check "drain" orderedctl drain "$meta" --timeout 60
	say "BASE"
	sleep 1000
}

# site_secondary: a line "CUT N EPOCH.N" when told look-N and the primary is gone; promoted when told promote.
site_secondary() {
	local n=1

	site_start secondary
	orderedctl listen "$meta" 7788 --keep >> /outbox/keep 2>&1 &
	echo $! > /run/keep.pid
	say "READY"
	while [ ! -e /outbox/told-promote ]; do
		sleep 0.1
		[ -e "/outbox/told-look-$n" ] || continue
		wait_stat 20 "$meta" link_state none
		settled "$meta"
		say "CUT $n $settled_cut"
		n=$((n + 1))
	done
	kill "$(cat /run/keep.pid)"; wait || true
	check "promotion" orderedctl promote "$meta"
	say "PROMOTED $(status_field "$meta" cut)"
}

# ... and of their host: site_look N CUT ARGUMENT...: dmocheck on what is in b's drives (raw: .img), of life N of a.
site_look() {
	local n=$1 cut=$2 rc=0 box=$MACHINE_DIR/a; shift 2

	build/vm/dmocheck --history "$box/history.$n" --trace "$box/trace.$n" --dev "$(sed -n 's/^DEV //p' "$box/result")" \
		--volume "1=$MACHINE_DIR/b.data1.img" --volume "2=$MACHINE_DIR/b.data2.img" --cut "$cut" --rpo 10000 "$@" \
		> "$MACHINE_DIR/look.$n" 2>&1 || rc=$?
	tail -n 1 "$MACHINE_DIR/look.$n"
	[ $rc = 0 ] || [ $rc = 3 ] || host_fail "life $n of the primary: $(head -n 1 "$MACHINE_DIR/look.$n")"
	# 3: the cut's trace did not leave the machine before it died
	[ $rc = 3 ] || looked_b=$((${looked_b:-0} + 1))
}
