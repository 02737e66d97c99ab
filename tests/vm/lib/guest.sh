# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# guest.sh: what a scenario uses inside an emulated machine. enter.sh sources it before
# the scenario's own file; every function says in the line above it what it does. A scenario ends with `pass`, and
# with anything else it has failed.
#
# Set for it: DMO_ROLE (machine's name), DMO_BOOT (1 at its first start, 2 at its second ...), DMO_KERNEL,
# DMO_TOP, DMO_MODULE, LONG (1: larger numbers), SEED; /outbox is a directory of the host.

set -euo pipefail
export DM_DISABLE_UDEV=1
PATH=$DMO_TOP/build/userspace:$PATH
LONG=${LONG:-0} SEED=${SEED:-1}
RANDOM=$((SEED % 32768))
scenario_over=0

# ---------------------------------------------------------------- saying, checking, ending

# say WORDS: a line on the console, and one that the host's machine_wait sees.
say() { echo "$*"; echo "$*" >> /outbox/result; }

# step WORDS: name what is done next.
step() { echo "== $* [$(cut -d' ' -f1 /proc/uptime)]"; }

# long SHORT LONG: print the number to use.
long() { if [ "$LONG" = 1 ]; then echo "$2"; else echo "$1"; fi; }

# fail WORDS: end the scenario, with all that helps to find out why.
fail() {
	trap - EXIT
	scenario_over=1
	say "SCENARIO FAIL: $* (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]})"
	dump_state > /outbox/state 2>&1 || true
	exit 1
}

# pass: end the scenario well: unloads the module if it is loaded, checks that nothing of it is left.
pass() {
	if module_loaded; then
		unload_module
	fi
	[ "$DMO_KERNEL" != debug ] || no_leaks
	trap - EXIT
	scenario_over=1
	say "SCENARIO PASS"
	exit 0
}

# check WHAT COMMAND...: the command must succeed.
check() {
	local what=$1 out; shift

	if out=$("$@" 2>&1); then
		echo "ok: $what"
	else
		[ -z "$out" ] || echo "$out"
		fail "$what: '$*' failed: ${out:0:300}"
	fi
}

# refused WHAT REGEX COMMAND...: the command must fail, and what it prints must match.
refused() {
	local what=$1 regex=$2 out; shift 2

	if out=$("$@" 2>&1); then
		fail "$what: '$*' was accepted"
	fi
	grep -qE -- "$regex" <<< "$out" ||
		fail "$what: refused, but the message is '$out' and should match '$regex'"
	echo "ok: $what: refused: $out"
}

# same WHAT A B: the two words must be equal.
same() {
	[ "$2" = "$3" ] || fail "$1: '$2' is not '$3'"
	echo "ok: $1"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
	local seconds=$1 what=$2 end; shift 2

	end=$(($(now_ms) + seconds * 1000))
	until "$@" > /dev/null 2>&1; do
		[ "$(now_ms)" -lt $end ] || fail "not in $seconds s: $what"
		sleep 0.1
	done
}

# heed WORD [SECONDS]: wait until the host says machine_tell WORD.
heed() { wait_for "${2:-120}" "the host's word '$1'" test -e "/outbox/told-$1"; }

# one_cpu COMMAND...: run it while no CPU but the first is there. For what makes the kernel patch its own text, as turning
# tracepoints on does: an emulator that runs several CPUs may execute what is no longer there (Documentation/testing.md).
one_cpu() {
	local c rc=0

	for c in /sys/devices/system/cpu/cpu[1-9]*/online; do [ ! -e "$c" ] || echo 0 > "$c"; done
	"$@" || rc=$?
	for c in /sys/devices/system/cpu/cpu[1-9]*/online; do [ ! -e "$c" ] || echo 1 > "$c"; done
	return $rc
}

now_ms() { local s c; IFS='. ' read -r s c _ < /proc/uptime; echo $((s * 1000 + 10#$c * 10)); }

dump_state() {
	local t

	echo "--- dmsetup"; dmsetup table; dmsetup status; dmsetup info -c
	echo "--- orderedctl status"; timeout 5 orderedctl status
	for t in pri sec; do
		[ -e /run/netns/$t ] && { echo "--- $t"; ip netns exec $t ss -tanp; }
	done
	echo "--- threads"
	for t in /proc/[0-9]*; do
		case $(cat "$t/comm" 2>/dev/null) in
		dmo*|dmsetup|orderedctl|kworker*dmo*) echo "${t#/proc/} $(cat "$t/comm" "$t/wchan" 2>/dev/null | paste -sd ' ')"
			cat "$t/stack" ;;
		esac
	done
	echo "--- memory"; grep -E 'MemFree|MemAvailable|Slab' /proc/meminfo; grep dm_ordered /proc/slabinfo
	echo "--- dmesg"; dmesg | tail -n 60
}

scenario_exit() {
	local rc=$?

	[ $scenario_over = 1 ] || {
		trap - EXIT
		say "SCENARIO FAIL: ended with $rc and neither pass nor fail; last failure: ${last_failure:-none}"
		dump_state > /outbox/state 2>&1 || true
		exit 1
	}
}

# ---------------------------------------------------------------- the module

module_loaded() { [ -e /sys/module/dm_ordered ]; }

# need_module NAME [PARAMETER...]: a module of the kernel, loaded or built in.
need_module() {
	[ -e "/sys/module/${1//-/_}" ] || modprobe "$@" 2>/dev/null ||
		grep -qE "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null ||
		[ "$DMO_KERNEL" = debug ] || fail "the kernel has no module $1"
}

# TCP goes on for minutes with what was closed while the peer was dead (an orphan): nobody holds that. It counts as used
# and as in use.
sockets_used() {
	local ns

	{ cat /proc/net/sockstat
	  for ns in pri sec; do
		[ ! -e /run/netns/$ns ] || ip netns exec $ns cat /proc/net/sockstat
	  done
	} | awk '$1 == "sockets:" { n += $3 }
		 $1 == "TCP:" { n += $3; if (!orphans++) n -= 2 * $5 }	# the same number in every namespace
		 END { print n + 0 }'
}

# load_module [PARAMETER=VALUE...]: insmod dm-ordered.ko.
load_module() {
	local dep

	[ -e "${DMO_MODULE:-}" ] || fail "there is no module for $DMO_KERNEL; was it built?"
	for dep in $(modinfo -F depends "$DMO_MODULE" | tr , ' '); do
		need_module "$dep"
	done
	sockets_before=$(sockets_used)
	check "module loads" insmod "$DMO_MODULE" "$@"
	awk '$1 == "dm_ordered" { print $6, $2 }' /proc/modules >> /run/module-places
}

# unload_module: rmmod and see that nothing stays behind: threads, slab caches, sockets.
unload_module() {
	module_loaded || fail "the module isn't loaded"
	remove_targets
	check "module unloads" rmmod dm_ordered
	nothing_left
}

# remove_targets: remove every dm device with an ordered target.
remove_targets() {
	local name

	for name in $(dmsetup ls --target ordered 2>/dev/null | awk '$2 ~ /\(/ { print $1 }'); do
		check "removing $name" dmsetup remove --retry "$name"
	done
}

# nothing_left: after the module is gone.
nothing_left() {
	wait_for 10 "no thread named dmo*" no_threads
	if grep -E '^dm_ordered|^dmo' /proc/slabinfo; then
		fail "slab caches are left"
	fi
	wait_for 10 "as few sockets as before the module" sockets_gone
	echo "ok: nothing is left of the module"
}

# no_leaks: (debug kernel) kmemleak finds nothing that this module, wherever it has been, allocated. An object
# is told of when a second scan finds it unchanged and five seconds old.
no_leaks() {
	local f=/sys/kernel/debug/kmemleak leaks start size

	[ -e /run/module-places ] || return 0
	echo scan > $f || fail "kmemleak has switched itself off"
	sleep 5.1
	echo scan > $f || fail "kmemleak has switched itself off"
	cat $f > /outbox/kmemleak
	# The module is gone: kmemleak has no names for its functions any more.
	leaks=$(sort -u /run/module-places | while read -r start size; do leaks_from "$start" "$size" < /outbox/kmemleak; done)
	[ -z "$leaks" ] || fail "kmemleak: $(wc -l <<< "$leaks") leaked: $(head -n 1 <<< "$leaks"), see the file kmemleak"
	echo "ok: kmemleak has nothing of ours"
}

# leaks_from START SIZE: of a report of kmemleak, a line for each object allocated by code in that range of addresses, or
# by a thread of the module.
leaks_from() {
	local line object='' mine=0 addr

	while IFS= read -r line; do
		case $line in
		unreferenced*) [ $mine != 1 ] || echo "$object"; object=$line mine=0 ;;
		*) [ $mine != -1 ] || continue ;;&
		*"] ${foreign_leak:-none}+"*) object='' mine=-1 ;;	# it goes on to the next "unreferenced"
		*'comm "dmo_'*|*'[dm_ordered]'*) object+=" ${line#"${line%%[! ]*}"}" mine=1 ;;
		*'] 0x'*)
			addr=${line##* }
			[ $((addr)) -lt $(($1)) ] || [ $((addr)) -ge $(($1 + $2)) ] || { object+=" $addr" mine=1; } ;;
		esac
	done
	[ $mine != 1 ] || echo "$object"
}

no_threads() { ! cat /proc/[0-9]*/comm 2>/dev/null | grep -qE '^(kworker/.*\+)?dmo_'; }	# "-dmo_": an idle worker's last work
sockets_gone() { [ "$(sockets_used)" -le "${sockets_before:-1000000}" ]; }

# ---------------------------------------------------------------- disks

# drive SERIAL: print the device of a drive that the host gave this machine.
drive() {
	local s

	for s in /sys/block/vd*/serial; do
		if [ "$(cat "$s")" = "$1" ]; then
			s=${s%/serial}
			echo "/dev/${s##*/}"
			return
		fi
	done
	fail "this machine has no drive $1"
}

# disk_loop NAME MIB [BLOCKSIZE]: a loop device on memory; prints its device. Can discard.
disk_loop() {
	need_module loop
	mkdir -p /run/disks /dev/dmo
	truncate -s "$2M" "/dev/shm/$1.img"
	ln -sfn "$(losetup -f --show -b "${3:-512}" "/dev/shm/$1.img")" "/dev/dmo/$1"
	readlink -f "/dev/dmo/$1"
}

# disk_null NAME MIB [ATTRIBUTE=VALUE...]: a null_blk that keeps data in memory, with a volatile cache
# of 16 MiB (cache_size=) that does not hold back writes to blocks flushed earlier; prints a path that stays valid over null_power_cut, while the device itself,
# gone and made again, may get another number. Attributes: blocksize=4096, discard=1, irqmode=2 ...
disk_null() {
	local dir=/sys/kernel/config/nullb/$1 pair

	need_module null_blk nr_devices=0
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir "$dir"
	echo "$2" > "$dir/size"
	echo 1 > "$dir/memory_backed"
	echo 16 > "$dir/cache_size"
	for pair in "${@:3}"; do
		echo "${pair#*=}" > "$dir/${pair%%=*}"
	done
	echo 1 > "$dir/power"
	null_link "$1"
	echo "/dev/dmo/$1"
}

null_link() {
	local dev=/dev/$1

	mkdir -p /dev/dmo
	[ -b "$dev" ] || dev=/dev/nullb$(cat "/sys/kernel/config/nullb/$1/index")
	[ -b "$dev" ] || fail "null_blk disk $1 has no device"
	ln -sfn "$dev" "/dev/dmo/$1"
}

# null_power_off NAME..., null_power_on NAME...: what was flushed is kept, what was not is gone. Nothing
# may have the disk open when it goes off.
null_power_off() { local n; for n in "$@"; do echo 0 > "/sys/kernel/config/nullb/$n/power"; rm -f "/dev/dmo/$n"; done; }
null_power_on() { local n; for n in "$@"; do echo 1 > "/sys/kernel/config/nullb/$n/power"; null_link "$n"; done; }
# null_power_cut NAME...: both.
null_power_cut() { null_power_off "$@"; null_power_on "$@"; }

# disk_power NAME MIB HOST [BLOCKSIZE]: a disk in memory with a volatile cache (tests/vm/powercut/);
# all disks of one HOST are cut at one instant, in use or not. Prints /dev/mapper/NAME. Takes twice its
# size of memory. Prefer it to disk_null, which keeps unflushed writes to blocks it already has.
disk_power() {
	need_module dm-mod
	[ -e /sys/module/dm_powercut ] || insmod "$DMO_POWERCUT"
	dmsetup create "$1" --table "0 $(($2 * 2048)) powercut $3 ${4:-512}"
	dmsetup mknodes "$1" > /dev/null 2>&1 || true
	echo "/dev/mapper/$1"
}

# power_cut NAME [PERCENT [SEED]]: the host of disk NAME loses its power: of every unflushed block of all
# its disks PERCENT (default 50) in a hundred are kept; then all I/O fails until power_on NAME.
power_cut() { dmsetup message "$1" 0 cut "${3:-$RANDOM$RANDOM}" "${2:-50}"; }
power_on() { dmsetup message "$1" 0 on; }
# power_fail NAME flush|write|fua N [SKIP]: N flushes, writes, FUA writes of disk NAME fail, behind SKIP that don't.
#   ... read FIRST COUNT: these sectors can't be read; COUNT 0: all can.
power_fail() { dmsetup message "$1" 0 "fail$2" "$3" ${4:+"$4"}; }

# disk_recorded NAME MIB HOST: a disk in memory that writes down what is done to it (dm-recorder.c, which says what
# /dev/dmo-recorder takes). Prints /dev/mapper/NAME.
disk_recorded() {
	need_module dm-mod
	[ -e /sys/module/dm_recorder ] || insmod "${DMO_POWERCUT%/*}/dm-recorder.ko"
	dmsetup create "$1" --table "0 $(($2 * 2048)) recorder $3 $1"
	dmsetup mknodes "$1" > /dev/null 2>&1 || true
	echo "/dev/mapper/$1"
}

# disk_linear NAME DEVICE: a dm device over all of DEVICE, whose table a test can change under load
# (disk_error, disk_flaky, disk_good); prints /dev/mapper/NAME.
disk_linear() {
	dmsetup create "$1" --table "0 $(blockdev --getsz "$2") linear $2 0"
	dmsetup mknodes "$1" > /dev/null 2>&1 || true
	echo "/dev/mapper/$1"
}

# disk_table NAME TABLE: put another table in place. NOFLUSH=1: without waiting for queued writes.
disk_table() {
	dmsetup suspend ${NOFLUSH:+--noflush} --nolockfs "$1"
	dmsetup load "$1" --table "$2"
	dmsetup resume "$1"
}

# disk_error NAME DEVICE [FIRST COUNT]: sectors FIRST..FIRST+COUNT-1 (default all) fail all I/O.
disk_error() {
	local size first=${3:-0} count; size=$(blockdev --getsz "$2"); count=${4:-$size}

	{
		[ "$first" = 0 ] || echo "0 $first linear $2 0"
		echo "$first $count error"
		[ $((first + count)) = "$size" ] ||
			echo "$((first + count)) $((size - first - count)) linear $2 $((first + count))"
	} > "/run/table.$1"
	disk_table "$1" "$(cat "/run/table.$1")"
}

# disk_flaky NAME DEVICE FEATURE...: dm-flakey, down all the time: e.g. error_writes, drop_writes.
disk_flaky() {
	need_module dm-flakey
	disk_table "$1" "0 $(blockdev --getsz "$2") flakey $2 0 0 1000000 $(($# - 2)) ${*:3}"
}

# disk_good NAME DEVICE: undo disk_error and disk_flaky.
disk_good() { disk_table "$1" "0 $(blockdev --getsz "$2") linear $2 0"; }

# disk_sys DEVICE: its directory in sysfs. disk_limit DEVICE NAME: a limit of its queue.
disk_sys() { echo "/sys/dev/block/$((0x$(stat -Lc %t "$1"))):$((0x$(stat -Lc %T "$1")))"; }
disk_limit() { cat "$(disk_sys "$1")/queue/$2"; }

# same_content A B [MIB]: bit-equal, read past the page cache; names the first difference.
same_content() {
	local out

	blockdev --flushbufs "$1"; blockdev --flushbufs "$2"
	out=$(cmp ${3:+-n $(($3 << 20))} "$1" "$2" 2>&1) ||
		fail "$1 and $2 differ: $out"
	echo "ok: $1 and $2 are bit-equal"
}

# fill DEVICE CHAR BLOCK COUNT [DD-OPERAND...]: write COUNT 4 KiB blocks of CHAR from BLOCK on, past the
# page cache, unflushed unless conv=fsync is given.
fill() {
	local dev=$1 char=$2 at=$3 count=$4; shift 4

	head -c $((count * 4096)) /dev/zero | tr '\0' "$char" |
		dd of="$dev" bs=4k seek="$at" iflag=fullblock oflag=direct status=none "$@"
}

# peek DEVICE BLOCK [LENGTH]: the first bytes of a block, zero bytes as dots.
peek() { dd if="$1" bs=4k skip="$2" count=1 iflag=direct status=none | tr '\0' . | cut -b "1-${3:-8}"; }

# digest DEVICE: SHA-256 of its content.
digest() { blockdev --flushbufs "$1"; sha256sum < "$1" | cut -d' ' -f1; }

# ---------------------------------------------------------------- network

# net_sites [DELAY_MS]: two network namespaces, pri (10.77.0.1) and sec (10.77.0.2), joined by a veth
# pair, each end delaying by DELAY_MS.
net_sites() {
	need_module veth
	printf '%s\n' "netns add pri" "netns add sec" "link add eth0 netns pri type veth peer name eth0 netns sec" | ip -b -
	printf '%s\n' "addr add 10.77.0.1/24 dev eth0" "link set lo up" "link set eth0 up" | ip -n pri -b -
	printf '%s\n' "addr add 10.77.0.2/24 dev eth0" "link set lo up" "link set eth0 up" | ip -n sec -b -
	[ -z "${1:-}" ] || [ "$1" = 0 ] || net_shape "delay ${1}ms limit 100000"
}

# net_shape NETEM: e.g. "delay 10ms loss 1%"; "" for none.
net_shape() {
	local ns

	[ -z "$1" ] || need_module sch_netem
	for ns in pri sec; do
		tc -n $ns qdisc del dev eth0 root 2>/dev/null || true
		# shellcheck disable=SC2086 # words
		[ -z "$1" ] || tc -n $ns qdisc add dev eth0 root netem $1
	done
}

# net_cut, net_join: the line between the sites breaks and works again.
net_cut() { ip -n pri link set eth0 down; }
net_join() { ip -n pri link set eth0 up; }

# in_pri COMMAND..., in_sec COMMAND...: run it at that site.
in_pri() { ip netns exec pri "$@"; }
in_sec() { ip netns exec sec "$@"; }

# net_machine: in a scenario with two machines: a is 10.77.0.1, b is 10.77.0.2.
net_machine() {
	local n=1

	[ "$DMO_ROLE" = a ] || n=2
	ip link set eth0 up
	ip addr add "10.77.0.$n/24" dev eth0
}

trap scenario_exit EXIT
set -E
trap 'last_failure="$BASH_COMMAND (${BASH_SOURCE[0]##*/}:$LINENO)"' ERR
if [ -e /proc/sys/kernel/hung_task_timeout_secs ]; then
	hung=45
	[ "$DMO_KERNEL" != debug ] || hung=90
	echo $hung > /proc/sys/kernel/hung_task_timeout_secs
fi
