#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: every wrong netlink message and every socket that isn't a connected stream is refused with a text that
# says why; nothing is changed by that, and only those who may can change anything.
# Kernels: 6.1
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"

ip link set lo up
load_module
session_make a 1 4 equal=1
session_make b 1 4 create=0
pm=$(pmeta a) sm=$(smeta a)
# numbers of attributes, from the header
eval "$(sed -n '/^enum dmo_attr {/,/^};/p' "$DMO_TOP/dm-ordered/uapi/dm-ordered.h" |
	awk -F'[,\t ]+' '$2 ~ /^DMO_A_/ { print $2 "=" n++ }')"
same "the header was read" "$DMO_A_META_MAJOR.$DMO_A_LINK_FD.$DMO_A_META_NAME" "2.12.41"

step "sockets that are none, or not connected streams"
for kind in file pipe eventfd; do
	refused "fd of a $kind" "error 88: file descriptor [0-9]+ is no socket" dmonl attach "meta=$pm" "fd=$kind"
done
refused "closed fd" "error 9: file descriptor 777 is not open" dmonl attach "meta=$pm" fd=closed
refused "negative fd" "error 9: file descriptor .* is not open" dmonl attach "meta=$pm" fd=negative
refused "netlink" "socket is of address family 16, expected AF_INET, AF_INET6 or AF_UNIX" dmonl attach "meta=$pm" fd=netlink
for kind in udp udp-connected unix-dgram unix-seqpacket; do
	refused "$kind" "socket is of type [0-9], expected a stream socket" dmonl attach "meta=$pm" "fd=$kind"
done
refused "unconnected" "socket is not connected" dmonl attach "meta=$pm" fd=tcp-unconnected
refused "listening" "socket is not connected" dmonl attach "meta=$pm" fd=tcp-listening
refused "shut down" "socket is (shut down|not connected)" dmonl attach "meta=$pm" fd=tcp-shutdown
same "no link was made" "$(pstat a link_state)" none

step "attributes"
refused "no session" "DMO_A_META_MAJOR and DMO_A_META_MINOR must name" dmonl switch
refused "half a session" "must name the metadata device" dmonl switch "$DMO_A_META_MAJOR=u32:7"
refused "unknown session" "no table names metadata device 99:1.*create the volumes" dmonl switch meta=99:1
refused "no fd" "DMO_A_LINK_FD is missing" dmonl attach "meta=$pm"
refused "time-out too short" "link time-out in ms must be from 100 to 600000, not 99" \
	dmonl attach "meta=$pm" fd=unix "$DMO_A_LINK_TIMEOUT_MS=u32:99"
refused "time-out too long" "not 600001" dmonl attach "meta=$pm" fd=unix "$DMO_A_LINK_TIMEOUT_MS=u32:600001"
refused "cycle 0" "cycle length in ms must be from 1 to 3600000, not 0" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u32:0"
refused "cycle too long" "not 3600001" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u32:3600001"
refused "budget 0" "memory budget in MiB must be from 1 to 1048576, not 0" dmonl set "meta=$pm" "$DMO_A_BUDGET_MIB=u32:0"
refused "budget too large" "not 1048577" dmonl set "meta=$pm" "$DMO_A_BUDGET_MIB=u32:1048577"
refused "nothing to set" "nothing to set" dmonl set "meta=$pm"
refused "one of two out of range" "not 99" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u32:300" "$DMO_A_LINK_TIMEOUT_MS=u32:99"
same "none of it was taken" "$(pstat a cycle_ms).$(pstat a budget_mib).$(pstat a link_timeout_ms)" 200.64.10000
refused "a u32 of 8 bytes" "error (22|34)" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u64:300"
refused "a u32 of 1 byte" "error (22|34)" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u8:3"
refused "a flag with bytes" "error (22|34)" dmonl promote "meta=$sm" "$DMO_A_FORCE=bytes:4"
refused "an attribute that is only for answers" "error 22" dmonl set "meta=$pm" "$DMO_A_SEQ=u64:1" "$DMO_A_CYCLE_MS=u32:300"
refused "an unknown attribute" "error 22" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u32:300" 60=u32:1
refused "a far too large type" "error 22" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u32:300" 9999=u32:1
refused "a message cut short" "error (22|34)" dmonl --short 2 set "meta=$pm" "$DMO_A_CYCLE_MS=u32:300"
refused "an unknown command" "error 95" dmonl 9 "meta=$pm"
refused "the event command" "error 95" dmonl 7 "meta=$pm"
refused "a dump of a command that has none" "error 95" dmonl --dump set "meta=$pm" "$DMO_A_CYCLE_MS=u32:300"
same "the cycle is as it was" "$(pstat a cycle_ms)" 200
check "what is right is taken" dmonl set "meta=$pm" "$DMO_A_CYCLE_MS=u32:1" "$DMO_A_BUDGET_MIB=u32:32"
same "and is in force" "$(pstat a cycle_ms).$(pstat a budget_mib)" 1.32
check "a dump" dmonl --dump get

step "roles and states"
refused "detach without a link" "the session has no link" dmonl detach "meta=$pm" wanted
check "disconnect before there is a link" dmonl detach "meta=$pm"
refused "and once more" "the session has no link" dmonl detach "meta=$pm"
refused "a link that nobody wants" "error 125: disconnected by command: orderedctl connect or listen" dmonl attach "meta=$pm" fd=unix
refused "switch at a secondary" "the session is secondary here: only an active primary switches" dmonl switch "meta=$sm"
refused "promotion of a primary" "the session is primary already" dmonl promote "meta=$pm"
refused "a second primary" "already active here as primary" dmonl promote "meta=$sm"
session_link a
refused "a second link" "has a link already: disconnect it first" dmonl attach "meta=$pm" fd=unix
refused "a second link at sec" "has a link already" dmonl attach "meta=$sm" fd=unix
same "the first is up still" "$(pstat a link_state)" up
check "load" dd if=/dev/urandom of="$(pvol a)" bs=64k count=8 oflag=direct status=none
session_drain a
session_unlink a
session_create b s
refused "promotion of what never was a copy" "INCONSISTENT|no data|never" dmonl promote "meta=$(smeta b)"
session_remove b s
refused "a link that is only half there" "no table names" dmonl attach "meta=$(smeta b)" fd=unix

step "an open volume, an inactive one"
session_remove a p
exec 9< "$(svol a)"
refused "promotion of an open volume" "volume 1 .* is open: close or unmount it" dmonl promote "meta=$sm"
exec 9<&-
dmsetup suspend a-s-1
refused "promotion of a suspended volume" "volume 1 has no active table" dmonl promote "meta=$sm"
refused "a link of a suspended volume" "volume 1 has no active table" dmonl attach "meta=$sm" fd=unix
dmsetup resume a-s-1

step "privilege"
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all"
cp "$(command -v dmonl)" /run/dmonl; chmod 755 /run /run/dmonl
# shellcheck disable=SC2086 # $nobody is a command with its options
check "looking is free" $nobody /run/dmonl get "meta=$(stat -c '%Hr:%Lr' "$(readlink -f "$sm")")"
for c in attach detach switch set promote; do
	# shellcheck disable=SC2086
	refused "$c without CAP_NET_ADMIN" "error 1:" $nobody /run/dmonl $c "meta=$(stat -c '%Hr:%Lr' "$(readlink -f "$sm")")" \
		"$DMO_A_CYCLE_MS=u32:7" fd=unix
done
refused "root of another user namespace" "error 1:" unshare -U -r -n /run/dmonl set \
	"meta=$(stat -c '%Hr:%Lr' "$(readlink -f "$sm")")" "$DMO_A_CYCLE_MS=u32:7"
same "nothing was set" "$(sstat a cycle_ms)" 200
check "from another network namespace" in_pri dmonl set "meta=$sm" "$DMO_A_CYCLE_MS=u32:9"
same "it was set" "$(sstat a cycle_ms)" 9

step "a session that wants authentication"
for copy in 0 1; do	# which format refuses to make: the flags
	dmometa "$(pmeta b)" super $copy 132 4 0
done
session_create b p
refused "a plain link" "authenticated links.*--plain" dmonl attach "meta=$(pmeta b)" fd=unix
session_remove b p
check "promotion, at last" dmonl promote "meta=$sm"
same "it is primary" "$(sstat a role)" primary
refused "twice" "the session is primary already" dmonl promote "meta=$sm"
pass
