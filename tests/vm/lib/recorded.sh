# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# recorded.sh: sessions on disks that write down what is done to them, on top of ordered.sh; a scenario sources it with
#	. "$DMO_TOP/tests/vm/lib/recorded.sh"
# The log goes to /outbox/record.log, for tests/images/.

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# recorded_make NAME NVOL MIB [OPTION=VALUE...]: session_make on recorded disks, whose data is equal, and not zero. The log
# begins, of at most 384 MiB, before they are activated.
recorded_make() {
	local name=$1 n=$2 k

	session_make "$@" disk=rec mdisk=rec equal=1 create=0
	for ((k = 1; k <= n; k++)); do
		check "volume $k has data" dmoload fill "$(pdata "$name" "$k")" --seed "$((SEED + k))" --fsync
		check "its copy, too" dmoload fill "$(sdata "$name" "$k")" --seed "$((SEED + k))" --fsync
	done
	check "the log begins" recorder_say "start $(long 192 384)"
	session_create "$name" p
	session_create "$name" s
}

# record_stop: the log is kept.
record_stop() {
	check "the log ends" recorder_say stop
	check "the log is kept" cp /dev/dmo-recorder /outbox/record.log
	say "LOG $(stat -c %s /outbox/record.log) bytes"
}
recorder_say() { echo "$1" > /dev/dmo-recorder; }

# recorded_link NAME [OPTION...]: from now on make a link whenever there is none, through dmorelay, which gets the
# options; until recorded_unlink.
recorded_link() {
	local name=$1 port=${S_port[$1]}; shift

	in_sec_bg "relay-$name" dmorelay 10.77.0.2 $((port + 1000)) "$port" "$@"
	in_sec_bg "keep-s-$name" orderedctl listen "$(smeta "$name")" "10.77.0.2:$port" --keep
	wait_for 10 "the relay listens" s_listening $((port + 1000))
	wait_for 10 "the secondary listens" s_listening "$port"
	ip netns exec pri orderedctl connect "$(pmeta "$name")" "10.77.0.2:$((port + 1000))" --keep > "/run/keep-p-$name" 2>&1 &
	recorded_pid "$name" $!
}
in_sec_bg() {
	local file=$1; shift

	ip netns exec sec "$@" > "/run/$file" 2>&1 &
	recorded_pid "${file##*-}" $!
}
# A shell that is killed before it has become another program would end the scenario.
recorded_pid() {
	echo "$2" >> "/run/recorded-$1.pids"
	wait_for 20 "process $2 runs" no_shell "$2"
}
no_shell() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" != bash ]; }
# recorded_unlink NAME: takes the link and all that makes links away.
recorded_unlink() {
	local pid

	[ ! -s "/run/relay-$1" ] || fail "$(cat "/run/relay-$1")"
	while read -r pid; do kill "$pid" 2>/dev/null || true; wait "$pid" || true; done < "/run/recorded-$1.pids"
	rm "/run/recorded-$1.pids"
	wait_for 20 "no link at pri" s_is "$(pmeta "$1")" link_state none
	wait_for 20 "no link at sec" s_is "$(smeta "$1")" link_state none
}
