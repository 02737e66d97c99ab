# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# ordered.sh: sessions whose two ends are in one machine, on top of guest.sh; a scenario sources it with
#	. "$DMO_TOP/tests/vm/lib/ordered.sh"
# The ends live at the sites pri and sec (net_sites). Of session NAME, volume N (1, 2 ...):
#   pvol NAME [N], svol NAME [N]	the dm devices, /dev/mapper/NAME-p-N and NAME-s-N
#   pdata NAME [N], sdata NAME [N]	the data devices under them
#   pmeta NAME, smeta NAME		the metadata devices, what orderedctl calls the session
# `dmoload` (load.c beside this file) makes I/O; see its head.

PATH=$DMO_TOP/build/vm:$PATH
declare -A S_nvol S_uuid S_port S_reads S_dev
s_next_port=7700 s_next_brd=0

pvol() { echo "/dev/mapper/$1-p-${2:-1}"; }
svol() { echo "/dev/mapper/$1-s-${2:-1}"; }
pdata() { echo "${S_dev[$1-pd${2:-1}]}"; }
sdata() { echo "${S_dev[$1-sd${2:-1}]}"; }
pmeta() { echo "${S_dev[$1-pm]}"; }
smeta() { echo "${S_dev[$1-sm]}"; }

# s_disk NAME KIND MIB SITE LBS: make a disk; sets S_dev[NAME]. KIND: loop, null (discards), brd (64 MiB, no discards),
# power (cut by power_cut NAME, with all disks of SITE, or of S_host if that is set), rec (disk_recorded), or lin+KIND: under a dm-linear NAME, for
# disk_error and disk_flaky, with S_dev[NAME.lower] below it (a power disk NAME.dev). given: S_dev[NAME] is set already.
s_disk() {
	local kind=${2#lin+} lower='' dev

	case $kind in
	given) dev=${S_dev[$1]} ;;
	loop)	# disk_loop with fewer programs run
		need_module loop
		truncate -s "$3M" "/dev/shm/$1.dev.img"
		dev=$(losetup -f --show -b "$5" "/dev/shm/$1.dev.img") ;;
	null) dev=$(disk_null "$1.dev" "$3" "blocksize=$5" discard=1) ;;
	power)	# its name is that of the disk, or of the one below it
		[ "$kind" = "$2" ] || lower=.dev
		dev=$(disk_power "$1$lower" "$3" "${S_host:-$4}" "$5") ;;
	rec) dev=$(disk_recorded "$1" "$3" "$4") ;;
	brd)
		need_module brd
		dev=/dev/ram$s_next_brd
		s_next_brd=$((s_next_brd + 1))
		if [ "$3" != 64 ]; then
			dmsetup create "$1.ram" --table "0 $(($3 * 2048)) linear $dev 0"
			dev=/dev/mapper/$1.ram
		fi ;;
	*) fail "no disk of kind $2" ;;
	esac
	if [ "$kind" != "$2" ]; then
		S_dev[$1.lower]=$dev
		dev=$(disk_linear "$1" "$dev")
	fi
	S_dev[$1]=$dev
}

# session_make NAME NVOL MIB [OPTION=VALUE...]: disks, metadata and volumes of both ends; no link yet.
# Options, with their defaults:
#   disk=loop  data disks of both ends     pdisk= sdisk=  of one end (see s_disk for the kinds)
#   mdisk=brd  metadata disks              pmeta=64 smeta=64  their MiB; other than 64: mdisk=loop
#   size=      bytes of a volume, other than MIB (with disk=given)
#   lbs=512    logical block size          equal=0  1: --assume-equal (and the disks are)
#   reads=1    --allow-reads at sec        cycle=200 budget=64 timeout=10000
#   create=1   0: format only
# Names of data disks: NAME-pdN and NAME-sdN.
session_make() {
	local name=$1 n=$2 mib=$3 k site size='' pdisk='' sdisk='' disk=loop mdisk='' pmeta=64 smeta=64 lbs=512
	local equal=0 reads=1 cycle=200 budget=64 timeout=10000 create=1 pair
	local -a args vols=()

	for pair in "${@:4}"; do
		case ${pair%%=*} in
		disk|pdisk|sdisk|mdisk|size|pmeta|smeta|lbs|equal|reads|cycle|budget|timeout|create) local "$pair" ;;
		*) fail "session_make: no option $pair" ;;
		esac
	done
	if [ -z "$mdisk" ]; then
		[ "$pmeta/$smeta" = 64/64 ] && mdisk=brd || mdisk=loop
	fi
	[ -e /run/netns/pri ] || net_sites
	S_nvol[$name]=$n S_reads[$name]=$reads
	S_uuid[$name]=$(cat /proc/sys/kernel/random/uuid)
	S_port[$name]=$s_next_port
	s_next_port=$((s_next_port + 1))
	s_disk "$name-pm" "$mdisk" "$pmeta" pri 512
	s_disk "$name-sm" "$mdisk" "$smeta" sec 512
	for ((k = 1; k <= n; k++)); do
		s_disk "$name-pd$k" "${pdisk:-$disk}" "$mib" pri "$lbs"
		s_disk "$name-sd$k" "${sdisk:-$disk}" "$mib" sec "$lbs"
		vols+=(--volume "$k:${size:-${mib}M}:$lbs")
	done
	args=(--plain --uuid "${S_uuid[$name]}" --label "$name" --cycle-ms "$cycle" --budget-mib "$budget"
	      --link-timeout "$timeout" "${vols[@]}")
	[ "$equal" = 0 ] || args+=(--assume-equal)
	check "format of $name, primary" orderedctl format --role primary "${args[@]}" "$(pmeta "$name")"
	check "format of $name, secondary" orderedctl format --role secondary "${args[@]}" "$(smeta "$name")"
	[ "$create" = 0 ] || for site in p s; do session_create "$name" $site; done
}

# session_create NAME p|s [VOLUME...]: activate the volumes (default all) of one end.
session_create() {
	local name=$1 end=$2 k
	local -a args=() which=("${@:3}")

	if [ ${#which[@]} = 0 ]; then
		for ((k = 1; k <= S_nvol[$name]; k++)); do which+=("$k"); done
	fi
	for k in "${which[@]}"; do
		args+=(--map "$k=${S_dev[$name-${end}d$k]},$name-$end-$k")
	done
	[ "$end" = p ] || [ "${S_reads[$name]}" = 0 ] || args+=(--allow-reads)
	check "create of $name, $end ${which[*]}" orderedctl create --meta "${S_dev[$name-${end}m]}" "${args[@]}"
	dmsetup mknodes > /dev/null 2>&1 || true
}

# session_table NAME p|s [N]: print the table line of a volume.
session_table() { dmsetup table "$1-$2-${3:-1}"; }

# session_try_link NAME [SECONDS]: listen in sec, connect in pri; fails, with words, if no link comes up.
session_try_link() {
	local listener out rc=0 t=${2:-20} name=$1

	ip netns exec sec orderedctl listen "$(smeta "$name")" "10.77.0.2:${S_port[$name]}" --timeout "$t" \
		> "/run/listen-$name" 2>&1 &
	listener=$!
	wait_for 10 "somebody listens" s_listening "${S_port[$name]}"
	out=$(in_pri orderedctl connect "$(pmeta "$name")" "10.77.0.2:${S_port[$name]}" --timeout "$t" 2>&1) || rc=$?
	[ $rc = 0 ] || { kill $listener 2>/dev/null || true; }
	wait $listener || [ $rc != 0 ] || rc=1
	[ $rc = 0 ] || { echo "$out"; cat "/run/listen-$name"; return 1; }
}

s_listening() { in_sec ss -Hltn "sport = :$1" | grep -q .; }

# session_link NAME: make a link and wait until both ends say that it is up.
session_link() {
	check "link of $1" session_try_link "$1"
	wait_for 10 "link up at pri" s_is "$(pmeta "$1")" link_state up
	wait_for 10 "link up at sec" s_is "$(smeta "$1")" link_state up
}

s_is() { [ "$(status_field "$1" "$2")" = "$3" ]; }

# session_unlink NAME: take the link away, at the primary's end.
session_unlink() {
	check "unlink of $1" orderedctl disconnect "$(pmeta "$1")"
	wait_for 10 "link down at sec" s_is "$(smeta "$1")" link_state none
}

# link_drop META: the link is lost, as a line is; whoever keeps it makes another.
link_drop() { dmonl detach "meta=$1" wanted > /dev/null 2>&1; }

# session_keep_link NAME: from now on make a link whenever there is none, until session_keep_stop.
session_keep_link() {
	ip netns exec sec orderedctl listen "$(smeta "$1")" "10.77.0.2:${S_port[$1]}" --keep > "/run/keep-s-$1" 2>&1 &
	echo $! > "/run/keep-$1.pids"
	ip netns exec pri orderedctl connect "$(pmeta "$1")" "10.77.0.2:${S_port[$1]}" --keep > "/run/keep-p-$1" 2>&1 &
	echo $! >> "/run/keep-$1.pids"
}
session_keep_stop() {
	local pid

	while read -r pid; do kill "$pid"; wait "$pid" || true; done < "/run/keep-$1.pids"
}

# session_linked NAME: make a link unless both ends say that there is one. A handshake is waited for.
session_linked() {
	wait_for 20 "a link or none at both ends of $1" s_settled "$1"
	s_is "$(pmeta "$1")" link_state up || session_link "$1"
}
s_settled() {
	local state

	state=$(status_field "$(pmeta "$1")" link_state)
	[ "$state" != handshake ] && s_is "$(smeta "$1")" link_state "$state"
}

# session_drain NAME [SECONDS]: all that was written is on the secondary's disks.
session_drain() { check "drain of $1" orderedctl drain "$(pmeta "$1")" --timeout "${2:-60}"; }

# session_equal NAME: the data devices of both ends are bit-equal.
session_equal() {
	local k

	for ((k = 1; k <= S_nvol[$1]; k++)); do
		check "$1: data of volume $k is equal" dmoload cmp "$(pdata "$1" "$k")" "$(sdata "$1" "$k")"
	done
}

# session_remove NAME [p|s]: all volumes of both ends, or of one.
session_remove() {
	local end

	for end in ${2:-p s}; do
		check "remove of $1, $end" orderedctl remove --session "${S_dev[$1-${end}m]}"
	done
}

# status_field SESSION FIELD: a value of orderedctl status --json; cuts as EPOCH.N; FIELD may be
# any path: role, chunk_older.refs, volumes[0].copyouts.
status_field() {
	orderedctl status "$1" --json | dmojson "$2"
}
# pstat NAME FIELD, sstat NAME FIELD: of the primary's or secondary's end.
pstat() { status_field "$(pmeta "$1")" "$2"; }
sstat() { status_field "$(smeta "$1")" "$2"; }

# cut_at SESSION FIELD CUT: is that cut of the session CUT or a later one?
cut_at() {
	local cut; cut=$(status_field "$1" "$2")

	[ "$cut" != null ] && { [ "${cut%.*}" -gt "${3%.*}" ] || { [ "${cut%.*}" = "${3%.*}" ] && [ "${cut#*.}" -ge "${3#*.}" ]; }; }
}

# wait_stat SECONDS SESSION FIELD VALUE
wait_stat() { wait_for "$1" "$2: $3 is $4" s_is "$2" "$3" "$4"; }

# session_copied NAME [SECONDS]: wait for the end of a full copy: both ends say consistent.
session_copied() {
	wait_stat "${2:-60}" "$(smeta "$1")" inconsistent false
	wait_stat 10 "$(pmeta "$1")" peer_inconsistent false
}

# events_start: record all events from here on in /run/events, in the words of `orderedctl monitor`.
events_start() {
	orderedctl monitor > /run/events 2>&1 &
	s_monitor=$!
	sleep 0.5
	kill -0 $s_monitor || fail "the monitor ended: $(cat /run/events)"
}
events_stop() { kill "$s_monitor"; wait "$s_monitor" || true; }
# event_seen REGEX: has such a line come?  event_wait SECONDS REGEX: wait for it.  events_forget: empty it.
event_seen() { grep -qE -- "$1" /run/events; }
event_wait() { wait_for "$1" "an event like '$2'" event_seen "$2"; echo "ok: event $2"; }
events_forget() { : > /run/events; }

# load_begun PID: dmoload has got as far as to heed SIGTERM, or has ended.
load_begun() {
	local caught

	caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2> /dev/null) || return 0
	((16#${caught:-4000} & 0x4000)) && [ "$(cat "/proc/$1/comm" 2> /dev/null)" != bash ]
}
# load_start DEVICE ARGUMENT...: dmoload run in the background.  load_stop: let it end, succeed, and print what it
# did; sets load_max_ms, the longest an operation took.
load_start() {
	local dev=$1; shift

	dmoload run "$dev" "$@" > "/run/load-${dev##*/}" 2>&1 &
	echo $! > "/run/load-${dev##*/}.pid"
	wait_for 30 "the load on $dev" load_begun $!
	[ -n "${DMO_QUIET_LOAD:-}" ] || echo "load on $dev: $*"
}
load_stop() { kill "$(cat "/run/load-${1##*/}.pid")" 2>/dev/null || true; load_wait "$1"; }
load_wait() {
	local rc=0 out

	wait "$(cat "/run/load-${1##*/}.pid")" || rc=$?
	out=$(cat "/run/load-${1##*/}")
	echo "load on $1: $out"
	[ $rc = 0 ] || fail "load on $1 ended with $rc: $out"
	# shellcheck disable=SC2034 # for the scenario
	load_max_ms=$(sed -n 's/.*max_ms=\([0-9]*\).*/\1/p' <<< "$out")
}
load_runs() { kill -0 "$(cat "/run/load-${1##*/}.pid")" 2>/dev/null; }

# session_cuts NAME sec|pri|both|link CUTS SEED [OPTION...]: dmocut (cut.c): a linkless session gets load and cuts, and
# every boundary is looked at. Says what was hit. Needs disk=power mdisk=power, reads=1, and `ip link set lo up`.
session_cuts() {
	local out name=$1; shift

	ip link set lo up
	out=$(dmocut "$name" "${S_nvol[$name]}" "$@" 2>&1) || fail "$name, $*: $out"
	say "CUTS $out"
}
