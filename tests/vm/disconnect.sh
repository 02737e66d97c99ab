#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a link that was disconnected by command stays away until connect or listen is called again, whoever keeps it and
# at whichever end; a refusal that another try would not change ends connect and listen --keep, with exit status 4; a
# stranger's does not end who listens.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

at() { echo "10.77.0.2:${S_port[$1]}"; }
up() { wait_for 20 "$1: link up" s_is "$(pmeta one)" link_state up; }
# stays END WHAT: no link for two seconds, and said so; asked of the metadata device of that end.
stays() {
	local i

	for i in 1 2 3 4; do
		sleep 0.5
		same "$2: no link ($i)" "$(status_field "$1" link_state).$(status_field "$1" no_link)" none.true
	done
	orderedctl list | grep -q 'no link for .*: disconnected by command' || fail "$2: list: $(orderedctl list)"
}
# ended PID OUT REGEX: that command ends with exit status 4, and says why.
ended() {
	local rc=0

	wait_for 20 "$2: its end" bash -c "! kill -0 $1"
	wait "$1" || rc=$?
	same "$2: exit status" "$rc" 4
	grep -qE "no other try will make one: .*$3" "$2" || fail "$2: $(tail -n 1 "$2")"
	echo "ok: $(tail -n 1 "$2")"
}
keep() {	# keep listen|connect NAME META OUT
	local ns=pri; [ "$1" = connect ] || ns=sec

	ip netns exec $ns orderedctl "$1" "$3" "$(at "$2")" --keep > "$4" 2>&1 &
}

load_module
session_make one 1 8 equal=1
session_make two 1 8 equal=1

step "disconnected at the end that connects"
session_keep_link one
up kept
check "lost, not disconnected" link_drop "$(pmeta one)"
up "kept on"
check "disconnect" orderedctl disconnect "$(pmeta one)"
stays "$(pmeta one)" "kept by both ends"
refused "once more" "has no link" orderedctl disconnect "$(pmeta one)"
check "connect" in_pri orderedctl connect "$(pmeta one)" "$(at one)" --timeout 20
up connect
same "it is wanted" "$(pstat one no_link)" false
check "lost again" link_drop "$(smeta one)"
up "kept as before"

step "disconnected at the end that listens"
check "disconnect" orderedctl disconnect "$(smeta one)"
stays "$(smeta one)" "kept by both ends"
s_listening "${S_port[one]}" && fail "somebody listens still"
check "listen" in_sec orderedctl listen "$(smeta one)" "$(at one)" --timeout 20
up listen
check "lost again" link_drop "$(smeta one)"
up "kept as before"
session_drain one

step "disconnected before there is a link"
net_cut
check "lost" link_drop "$(pmeta one)"
wait_stat 20 "$(smeta one)" link_state none
check "disconnect" orderedctl disconnect "$(smeta one)"
net_join
stays "$(smeta one)" "kept by both ends"
session_keep_stop one

step "another session's peer"
keep listen one "$(smeta one)" /run/one-listens; listener=$!
wait_for 10 "it listens" s_listening "${S_port[one]}"
keep connect one "$(pmeta two)" /run/two-connects
ended $! /run/two-connects "session UUID is"
same "refused" "$(pstat two refused).$(pstat two stranger)" true.true
rc=0
in_pri orderedctl connect "$(pmeta two)" 10.77.0.2:9 --timeout 2 > /run/nobody 2>&1 || rc=$?
same "nobody there, which is not for good: $(tail -n 1 /run/nobody)" $rc 1
kill -0 $listener || fail "a stranger has ended who listens: $(cat /run/one-listens)"
check "its own peer" in_pri orderedctl connect "$(pmeta one)" "$(at one)" --timeout 20
up "its own peer"
same "not refused" "$(pstat one refused)" false
session_drain one
check "its link goes" orderedctl disconnect "$(pmeta one)"

step "a session without plain links"
session_remove two s
session_remove two p
for copy in 0 1; do	# the flags
	dmometa "$(pmeta two)" super $copy 132 4 0
done
session_create two p
keep connect one "$(pmeta two)" /run/two-connects
ended $! /run/two-connects "wants authenticated links"
session_remove two p
kill $listener
wait $listener || true

step "the data has diverged"
session_remove one p
check "promotion" orderedctl promote "$(smeta one)"
check "a secondary of it" orderedctl format --role secondary --plain --force --uuid "${S_uuid[one]}" --label two \
	--volume 1:8M:512 "$(smeta two)"
session_create two s
in_sec orderedctl listen "$(smeta two)" "$(at two)" --timeout 30 > /run/listen 2>&1 &
listener=$!
wait_for 10 "it listens" s_listening "${S_port[two]}"
check "its link" in_pri orderedctl connect "$(smeta one)" "$(at two)" --timeout 20
wait $listener
check "its copy" orderedctl wait "$(smeta two)" consistent --timeout 60
session_remove one s
session_create one p
keep listen two "$(smeta two)" /run/two-listens; listener=$!
wait_for 10 "it listens" s_listening "${S_port[two]}"
keep connect two "$(pmeta one)" /run/one-connects
ended $! /run/one-connects "the data has diverged"
ended $listener /run/two-listens "the data has diverged"
session_remove one p
session_remove two s
pass
