# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# far.sh: file systems and databases on volumes of a session, and what the far side has of them when the near one
# is lost; on top of ordered.sh, which a scenario sources by this. The load is whatever program counts what it
# has done; `bounds` notes beside it how much a cut must hold at least.

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# bounds_start NAME COMMAND...: from now on print the count of what is done, by COMMAND, into /run/bounds-NAME
# beside a cut that covers it.
bounds_start() {
	: > "/run/bounds-$1"
	bounds_note "$@" &
	echo $! > "/run/bounds-$1.pid"
}
bounds_note() {
	local name=$1 count cut; shift

	while :; do
		count=$("$@")
		cut=$(orderedctl switch "$(pmeta "$name")" 2> /dev/null) || break
		echo "$cut $count" >> "/run/bounds-$name"
		sleep 0.2
	done
}
bounds_stop() { kill "$(cat "/run/bounds-$1.pid")" 2>/dev/null || true; wait "$(cat "/run/bounds-$1.pid")" || true; }

# bound_at NAME CUT: print the most that CUT is known to cover, nothing if nothing is known.
bound_at() {
	awk -F'[. ]' -v e="${2%.*}" -v n="${2#*.}" '$1 < e || ($1 == e && $2 <= n) { d = $3 } END { if (d) print d }' \
		"/run/bounds-$1"
}
bound_known() { [ -n "$(bound_at "$1" "$(sstat "$1" "$2")")" ]; }

# files_start NAME DIR...: dmofiles (files.c) writes in the background.  files_stop NAME: let it end.
files_start() {
	dmofiles write "/dev/shm/files-$1" "${@:2}" --pause 10000 --errors > "/run/files-$1" 2>&1 &
	echo $! > "/run/files-$1.pid"
	bounds_start "$1" dmofiles acks "/dev/shm/files-$1"
}
files_stop() {
	local pid; pid=$(cat "/run/files-$1.pid")

	bounds_stop "$1"
	kill "$pid" 2>/dev/null || true
	wait "$pid" || fail "the files' writer: $(cat "/run/files-$1")"
	say "WRITTEN $(dmofiles acks "/dev/shm/files-$1")"
}

# files_check NAME CUT DIR...: what is in the directories is what there was at some time not before CUT.
files_check() {
	local name=$1 cut=$2 least out; shift 2

	least=$(bound_at "$name" "$cut")
	[ -n "$least" ] || fail "nothing is known of cut $cut: $(cat "/run/bounds-$name")"
	out=$(dmofiles check "/dev/shm/files-$name" "$least" "$@" 2>&1) || fail "at cut $cut, of at least $least: $out"
	say "FILES at cut $cut: $out, at least $least"
}

# far_random: a moment, of up to 1.5 s.
far_random() { sleep "$((RANDOM % 2)).$((RANDOM % 500 + 100))"; }

# far_worth NAME [FIELD]: wait until the secondary has something that is known to be due (FIELD: a cut's name).
far_worth() { wait_for 20 "a cut at the far side of which something is known" bound_known "$1" "${2:-cut_committed}"; }

# far_snapshot NAME FILE-PREFIX: copy what the secondary's data devices hold under a suspend, to FILE-PREFIX1 ...;
# sets far_cut, the cut they must be at.
far_snapshot() {
	local k

	for ((k = 1; k <= S_nvol[$1]; k++)); do dmsetup suspend "$1-s-$k"; done
	far_cut=$(sstat "$1" cut_restored)
	for ((k = 1; k <= S_nvol[$1]; k++)); do
		dd if="$(sdata "$1" $k)" of="$2$k" bs=1M iflag=direct conv=sparse status=none
	done
	for ((k = 1; k <= S_nvol[$1]; k++)); do dmsetup resume "$1-s-$k"; done
}

# far_promote NAME: the primary, unused by now, goes; the secondary takes over; sets far_cut, where it stopped.
far_promote() {
	local out committed

	committed=$(pstat "$1" cut_committed)
	session_remove "$1" p
	wait_stat 20 "$(smeta "$1")" link_state none
	out=$(orderedctl promote "$(smeta "$1")" 2>&1) || fail "promotion: $out"
	echo "$out"
	far_cut=$(sed -n 's/^cut \([0-9]*\.[0-9]*\).*/\1/p' <<< "$out")
	cut_at "$(smeta "$1")" cut "$committed" || fail "promoted at $far_cut, but $committed was committed"
	same "role" "$(sstat "$1" role)" primary
}
