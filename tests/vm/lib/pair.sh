# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# pair.sh: two machines that replicate, one writing numbers (seq.c), the other looking at what it has, all the
# time; for scenarios that do something to the machines. Sourced by such a scenario, on the host and in both.
#
# Each machine appends to /outbox/log, which survives it:
#   a: CUT CUT NUMBER	what is written up to NUMBER is in that cut		ACKED CUT	committed
#   b: BOOT CUT		committed, as it is found				AT CUT NUMBER	restored, and what is there
# The host looks at both with pair_judge.

PAIR_UUID=5e55107e-0000-4000-8000-0000000000aa

# ---------------------------------------------------------------- in a machine

pair_log() { echo "$*" >> /outbox/log; }

pair_setup() {
	net_machine
	. "$DMO_TOP/tests/vm/lib/ordered.sh"
	load_module
	meta=$(drive meta) data1=$(drive data1) data2=$(drive data2)
	[ -e /outbox/formatted ] || {
		check "format" orderedctl format --role "$1" --plain --cycle-ms 100 --link-timeout "${PAIR_TIMEOUT:-2000}" \
			--assume-equal --uuid "$PAIR_UUID" --volume "1:$data1" --volume "2:$data2" "$meta"
		touch /outbox/formatted
	}
	check "create" orderedctl create --meta "$meta" --map "1=$data1,v1" --map "2=$data2,v2"
	dmsetup mknodes > /dev/null 2>&1 || true
}

pair_number() { dmoseq "done" /run/done; }	# last completed
pair_beyond() { [ "$(pair_number)" -ge "$1" ]; }

# pair_record: what is written so far is in which cut, and which is committed. One line of status each.
pair_record() {
	local number cut

	number=$(pair_number)
	cut=$(orderedctl switch "$meta")
	pair_log "CUT $cut $number"
	cut=$(status_field "$meta" cut_committed)
	pair_log "ACKED $cut"
	max=$(status_field "$meta" 'volumes[0].errors')
	[ "$max" = 0 ] || fail "a write failed"
}

pair_primary() {
	local from=1 before

	pair_setup primary
	[ ! -e /outbox/reserved ] || from=$((10#$(cat /outbox/reserved)))
	dmoseq write "$from" /outbox/reserved /run/done /dev/mapper/v1 /dev/mapper/v2 > /run/seq 2>&1 &
	writer=$!
	sleep 0.1
	wait_for 20 "all places written" pair_beyond $((from + 256))
	say "UP"
	orderedctl connect "$meta" 10.77.0.2:7788 --keep >> /outbox/keep 2>&1 &
	keeper=$!
	while [ ! -e /outbox/told-end ]; do
		before=$(pair_number)
		pair_record
		sleep 0.1
		[ "$(pair_number)" -gt "$before" ] || fail "the host's writes stand still: $(cat /run/seq)"
	done
	kill $writer; wait $writer 2>/dev/null || true
	wait_stat 60 "$meta" link_state up
	check "drain" orderedctl drain "$meta" --timeout 60
	kill $keeper; wait $keeper 2>/dev/null || true
	say "END $(digest "$data1") $(digest "$data2")"
}

# pair_look: what is on the data devices, at a boundary.
pair_look() {
	local restored out rc=0

	dmsetup suspend v1; dmsetup suspend v2
	restored=$(status_field "$meta" cut_restored)
	out=$(dmoseq check "$data1" "$data2") || rc=$?
	dmsetup resume v1; dmsetup resume v2
	[ $rc = 0 ] || fail "at cut $restored: $out"
	pair_log "AT $restored $out"
}

pair_secondary() {
	pair_setup secondary
	pair_log "BOOT $(status_field "$meta" cut_committed)"
	[ "$(status_field "$meta" inconsistent)" = false ] || fail "INCONSISTENT after a restart"
	say "UP"
	orderedctl listen "$meta" 7788 --keep >> /outbox/keep 2>&1 &
	keeper=$!
	pair_look
	while [ ! -e /outbox/told-end ]; do
		sleep 0.3
		[ "$(status_field "$meta" inconsistent)" = false ] || fail "INCONSISTENT"
		pair_look
	done
	pair_look
	kill $keeper; wait $keeper 2>/dev/null || true
	say "END $(digest "$data1") $(digest "$data2")"
}

# ---------------------------------------------------------------- on the host

# pair_drives: of two kinds, see machine_drive.
pair_drives() {
	local m

	for m in a b; do
		rm -f "$MACHINE_DIR/$m/log"
		machine_drive $m data1 4M raw
		machine_drive $m data2 4M qcow2
	done
	machine_drive a meta 32M raw
	machine_drive b meta 32M qcow2
}

# pair_boot a|b: start it. A boot that comes to nothing (the emulator's kernel, now and then) is retried once.
pair_start() {
	case $1 in
	a) guest_start a pair_primary ;;
	b) guest_start b pair_secondary ;;
	esac
}
pair_boot() { pair_start "$1"; pair_up "$1"; }
pair_up() {
	machine_wait "$1" "^UP" 60 && return
	! grep -q "SCENARIO FAIL" "$MACHINE_DIR/$1/result" || host_fail "$(grep "SCENARIO FAIL" "$MACHINE_DIR/$1/result")"
	[ ! -s "$MACHINE_DIR/$1/result" ] || host_fail "$1 did not come up"
	retries=$((retries + 1))
	[ "$retries" -le 2 ] || host_fail "$1 did not boot, $retries times"
	! machine_running "$1" || machine_kill "$1"
	pair_start "$1"
	machine_wait "$1" "^UP" 60
}
retries=0

pair_acked() { grep -h '^ACKED' "$MACHINE_DIR/a/log" 2>/dev/null | cut -d' ' -f2 | sort -V | tail -n 1 | grep . || echo 0.0; }

# pair_kept CUT: it was acknowledged as committed before b was killed; at its last boot b must have had it.
pair_kept() {
	local found

	found=$(grep -h '^BOOT' "$MACHINE_DIR/b/log" | tail -n 1 | cut -d' ' -f2)
	echo "acknowledged $1, at boot of b $found"
	[ "$(printf '%s\n' "$1" "$found" | sort -V | tail -n 1)" = "$found" ] ||
		host_fail "b came back with $found, $1 was acknowledged as committed"
}

# pair_judge: all that b said, against all that a said. Prints what there was.
pair_judge() {
	awk '
	function num(c, p) { split(c, p, "."); return p[1] * 1e9 + p[2] }
	FNR == NR && $1 == "CUT" { c[++n] = num($2); s[n] = $3; next }
	FNR == NR { next }
	$1 == "BOOT" { boots++; at = num($2); if (at < newest) { print "after a restart committed is " $2 ", it was more"; bad = 1 } next }
	$1 == "AT" {
		looks++; at = num($2)
		if (at < newest) { print "cut " $2 " comes behind a newer one"; bad = 1 }
		newest = at
		if ($3 + 0 < low + 0) { print "number " $3 " comes behind " low; bad = 1 }
		low = $3
		for (i = n; i; i--)
			if (c[i] <= at) {
				if ($3 + 0 < s[i] + 0) { print "cut " $2 " should have up to " s[i] ", has " $3; bad = 1 }
				known++
				break
			}
	}
	END { print boots " boots, " looks " looks at the secondary, " known " with a cut known to the primary, newest number " low; exit bad }
	' "$MACHINE_DIR/a/log" "$MACHINE_DIR/b/log"
}

# pair_end: both come to the same end.
pair_end() {
	local m

	machine_tell a end
	machine_wait a "^END" 150
	sleep 0.5
	machine_tell b end
	for m in a b; do machine_finish $m 60; done
	[ "$(grep -h '^END' "$MACHINE_DIR/a/result")" = "$(grep -h '^END' "$MACHINE_DIR/b/result")" ] ||
		host_fail "the data of both sides differ at the end"
	judged=$(pair_judge) || host_fail "$judged"
	echo "$judged"
}
