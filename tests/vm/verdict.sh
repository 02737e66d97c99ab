#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: what people and monitoring are told: the verdict at both ends, times that are possible, progress, what fits the
# peer's journal; through a first copy, a link that is lost, more than fits, another copy, and a promotion.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# times END: nothing is said to be since before the session was there.
times() {
	local up=$(($(date +%s%3N) - begun + 1000)) t f

	for f in block_ms link_since_ms ${2:-}; do
		t=$(status_field "$1" "$f")
		[[ $t =~ ^[0-9]+$ && $t -le $up ]] || fail "$f of $1 is $t, the session is there for $up ms"
	done
}
# code N COMMAND...: its exit status, and what it says to /run/said
code() {
	local want=$1 rc=0; shift

	"$@" > /run/said 2>&1 || rc=$?
	[ "$rc" = "$want" ] || fail "$*: exit status $rc, not $want: $(cat /run/said)"
}
says() { grep -qE -- "$1" /run/said || fail "not \"$1\", but: $(cat /run/said)"; echo "ok: line ${BASH_LINENO[0]}"; }

load_module
begun=$(date +%s%3N)
session_make one 1 64 cycle=50 smeta=16
p=$(pmeta one) s=$(smeta one)
events_start

step "before the first link"
# a first activation has nothing to tell but that it is one
if dmesg | grep -E 'no record here|dropped'; then fail "the log of a healthy activation says so"; fi
dmesg | grep -q 'newest boundary 0\.0, committed 0\.0, restored 0\.0$' || fail "the log does not tell of the activation"
code 2 orderedctl status "$p" --check; says 'ORDERED CRITICAL - one  primary -> -  disconnected  RPO all of it'
code 2 orderedctl status "$s" --check; says 'NOT promotable'
same "a lag of no copy" "$(pstat one no_copy) $(pstat one lag_ms)" "true null"
times "$p"; times "$s"
code 3 orderedctl wait "$p" link --timeout 1

step "the first copy"
head -c 48M /dev/urandom | dd of="$(pvol one)" bs=1M oflag=direct iflag=fullblock status=none
net_shape "rate 16mbit"	# slow enough to be looked at
session_link one
wait_stat 10 "$p" state copying
code 1 orderedctl status "$p" --check; says 'copying  RPO all of it: (no copy yet|a full copy is due)  WARNING: copy [0-9]+ %'
code 2 orderedctl status "$p" --check --max-lag 60; says 'RPO is all of it'
times "$p" copy_ms; times "$s"
[ "$(pstat one progress.percent)" -le 100 ] || fail "percent: $(pstat one progress.percent)"
wait_stat 10 "$s" progress.what copy
times "$s" copy_ms
left=$(sstat one copy_left_bytes)
copied() { [ "$(sstat one copy_left_bytes)" -lt "$left" ]; }
wait_for 10 "the secondary sees the copy go on" copied
[ "$(sstat one copy_total_bytes)" -ge "$left" ] || fail "of $(sstat one copy_total_bytes) bytes there were $left to copy"
code 0 orderedctl status "$s"; says 'progress +copy [0-9]+ %, .*/s'
net_shape ""
check "copied" orderedctl wait "$p" copied --timeout 60
check "consistent" orderedctl wait "$s" consistent --timeout 60
check "drained" orderedctl wait "$p" drained --timeout 60
code 0 orderedctl status "$p" --check --max-lag 60; says '^ORDERED OK - one  primary -> .*  replicating  RPO 0 ms  OK;$'
code 0 orderedctl list; says '^one  secondary <- .*  replicating  promotable.*orderedctl promote one\)  OK$'
times "$p"; times "$s"

step "more than fits"
session_unlink one
code 2 orderedctl status "$p" --check; says 'no link for'
max=$(pstat one chunk_max_bytes)
fill "$(pvol one)" A 0 $((max / 4096 + 64))
event_wait 5 ' large .*fit the secondary.s journal'
code 0 orderedctl status "$p"; says 'fits .* fit its journal, .* collected: the next link makes it INCONSISTENT'
code 0 orderedctl status "$s"; says 'promotable; loses what was written in the last'
session_link one
event_wait 10 ' inconsistent '
check "copied again" orderedctl wait "$p" consistent --timeout 60
session_drain one
code 0 orderedctl status "$p" --check; says 'OK'
times "$p"; times "$s"

step "a volume of the peer is suspended"
dmsetup suspend one-s-1
wait_stat 5 "$p" peer_condition suspended
code 1 orderedctl status "$p" --check; says 'the peer: a volume is suspended'
dmsetup resume one-s-1
wait_stat 5 "$p" peer_condition good

step "promotion"
session_unlink one
session_remove one p
code 0 orderedctl list; says 'promotable'
check "as it says" orderedctl promote one
code 0 orderedctl list; says '^one  primary -> -  disconnected  RPO all of it'
session_remove one s
events_stop
pass
