# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# machine.sh: emulated machines, to be sourced by a bash script on the host. A machine has a name, a
# directory $MACHINE_DIR/NAME that is its /outbox, a console log $MACHINE_DIR/NAME.console, drives, and
# at most one QEMU process at a time, known by its pid. Two machines of one MACHINE_DIR see each other
# on eth0, over a pair of unix datagram sockets: either may be killed and started again.
#
# The caller sets:
#   MACHINE_DIR     where logs, drives and sockets are (created)
#   MACHINE_KERNEL  6.1, 6.12 or debug
#   MACHINE_MEM     MiB of memory (default 1024; 2560 for debug)
#   MACHINE_SMP     CPUs (default 2)
#   MACHINE_ICOUNT  1: one CPU, virtual time counted in instructions, repeatable
#   MACHINE_APPEND  more words for the kernel command line
#   MACHINE_ENV     array of VARIABLE=VALUE that the guest's script gets
#   MACHINE_MODULE  path of the module for that kernel, or empty
#
# Functions: see the line above each. Every wait ends with an error when its time is over. Call none of
# them in a subshell: the machines would die with it.

machine_scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
machine_top=$(dirname "$machine_scripts")
declare -A machine_pid machine_drives machine_forwards machine_count

machine_error() { echo "machine: $*" >&2; return 1; }

# machine_drive NAME SERIAL SIZE [raw|qcow2|plain]: give machine NAME a drive, empty, that keeps its content
# over restarts. A raw one loses nothing the guest saw complete; qcow2 loses unflushed new clusters.
# A plain one is raw, and knows neither discard nor write-zeroes.
# In the guest, `drive SERIAL` prints its device. Call it before machine_start.
machine_drive() {
	local file=$MACHINE_DIR/$1.$2.img format=${4:-raw}

	mkdir -p "$MACHINE_DIR"
	qemu-img create -q -f "${format/plain/raw}" "$file" "$3" || return 1
	machine_drives[$1]+="$2,$file,$format "
}

# machine_forward NAME PORT GUESTPORT: connections to the host's 127.0.0.1:PORT reach GUESTPORT of machine
# NAME, on one more interface (eth1 of a and b) where it must be 10.0.2.15. It can reach nobody there.
machine_forward() { machine_forwards[$1]=tcp:127.0.0.1:$2-10.0.2.15:$3; }

# machine_start NAME COMMAND [ARG...]: boot machine NAME; its script is COMMAND (a command line for
# bash, run in the source tree with MACHINE_ENV and DMO_ROLE=NAME set). Returns at once.
machine_start() {
	local name=$1 box=$MACHINE_DIR/$1 drive serial file format knows id=1 n peer mac
	local -a args=() words
	shift

	! machine_running "$name" || { machine_error "$name is already running"; return 1; }
	mkdir -p "$box"
	n=$((${machine_count[$name]:-0} + 1))
	machine_count[$name]=$n
	rm -f "$box/result" "$box/dmesg"
	{
		echo "cd $(printf %q "$machine_top")"
		printf 'export %q\n' "DMO_ROLE=$name" "DMO_BOOT=$n" "DMO_KERNEL=$MACHINE_KERNEL" \
			"DMO_TOP=$machine_top" "DMO_MODULE=${MACHINE_MODULE:-}" "${MACHINE_ENV[@]}"
		printf '%q ' "$@"
		echo
	} > "$box/run"

	if [ "${MACHINE_ICOUNT:-}" = 1 ]; then
		args+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -smp 1)
	else
		args+=(-accel "tcg,thread=multi" -smp "${MACHINE_SMP:-2}")
	fi
	for drive in ${machine_drives[$name]:-}; do
		IFS=, read -r serial file format <<< "$drive"
		[ "$format" = plain ] && knows=off || knows=on
		args+=(-drive "file=$file,format=${format/plain/raw},if=none,id=d$id,cache=writeback,discard=unmap"
		       -device "virtio-blk-pci,drive=d$id,serial=$serial,discard=$knows,write-zeroes=$knows")
		id=$((id + 1))
	done
	case $name in
	a) peer=b mac=52:54:00:00:00:01 ;;
	b) peer=a mac=52:54:00:00:00:02 ;;
	*) peer='' ;;
	esac
	if [ -n "$peer" ]; then
		[ -n "${machine_sockets:-}" ] || machine_sockets=$(mktemp -d)	# their names must be short
		rm -f "$machine_sockets/$name"
		args+=(-netdev "dgram,id=n0,local.type=unix,local.path=$machine_sockets/$name,remote.type=unix,remote.path=$machine_sockets/$peer"
		       -device "virtio-net-pci,netdev=n0,mac=$mac")
	else
		args+=(-nic none)
	fi
	[ -z "${machine_forwards[$name]:-}" ] ||
		args+=(-netdev "user,id=n1,restrict=on,hostfwd=${machine_forwards[$name]}" -device "virtio-net-pci,netdev=n1")
	# A host that is busy at the wrong moment must not pass for a broken timer.
	# Programs at the same addresses each time: an emulator translates them once, and starts them three times as fast.
	words=(norandmaps no5lvl no_timer_check console=ttyS0 printk.time=1 panic=-1 oops=panic quiet nokaslr slab_nomerge mitigations=off
	       null_blk.nr_devices=0 brd.rd_nr=8 brd.rd_size=65536 loop.max_loop=0 scsi_mod.scan=sync
	       cryptomgr.notests)	# of its random generators some fail in an emulated machine that is short of time
	# Without IO-APIC interrupts from ACPI: asking its tables takes a checking kernel half a minute.
	[ "$MACHINE_KERNEL" != debug ] || words+=(pci=noacpi)
	# shellcheck disable=SC2206 # words are meant
	words+=(${MACHINE_APPEND:-})

	setpriv --pdeathsig KILL \
	qemu-system-x86_64 "${args[@]}" -cpu max -m "${MACHINE_MEM:-$(machine_default_mem)}" \
		-name "$name" -display none -monitor none -no-reboot -nodefaults \
		-chardev "file,id=con,path=$MACHINE_DIR/$name.console,append=on" -serial chardev:con \
		-kernel "$("$machine_scripts/kernels.sh" image "$MACHINE_KERNEL")" \
		-initrd "$("$machine_scripts/initrd.sh" "$MACHINE_KERNEL")" \
		-append "${words[*]}" \
		-virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap" \
		-virtfs "local,path=$box,mount_tag=outbox,security_model=none,multidevs=remap" \
		< /dev/null 2>> "$MACHINE_DIR/$name.qemu" &
	machine_pid[$name]=$!
}

machine_default_mem() {
	case $MACHINE_KERNEL in
	debug) echo 2560 ;;
	*) echo 1024 ;;
	esac
}

# machine_running NAME: true while its QEMU process lives.
machine_running() {
	[ -n "${machine_pid[$1]:-}" ] && kill -0 "${machine_pid[$1]}" 2>/dev/null
}

# machine_wait NAME REGEX [SECONDS]: wait until a line of what it said (`say` in the guest; since its
# last start) matches. Fails at once when the machine is gone without having said it.
machine_wait() {
	local name=$1 end=$((SECONDS + ${3:-60})) gone=0

	while :; do
		grep -qsE -- "$2" "$MACHINE_DIR/$name/result" && return 0
		[ $gone = 0 ] || { machine_error "$name ended and never said '$2'"; return 1; }
		machine_running "$name" || { gone=1; continue; }
		[ $SECONDS -lt $end ] || { machine_error "$name did not say '$2' in ${3:-60} s"; return 1; }
		sleep 0.1
	done
}

# machine_kill NAME: pull its plug.
machine_kill() {
	machine_running "$1" || { machine_error "$1 is not running, can't be killed"; return 1; }
	kill -KILL "${machine_pid[$1]}"
	wait "${machine_pid[$1]}" 2>/dev/null || true
	unset "machine_pid[$1]"
	# The console of this life is kept apart from the next one's by a line.
	echo "-- plug of $1 pulled --" >> "$MACHINE_DIR/$1.console"
}

# machine_pause NAME, machine_resume NAME: stop all of it, as if it were hung; let it go on.
machine_pause() { kill -STOP "${machine_pid[$1]}"; }
machine_resume() { kill -CONT "${machine_pid[$1]}"; }

# machine_tell NAME WORD: let `heed WORD` in the guest return.
machine_tell() { touch "$MACHINE_DIR/$1/told-$2"; }

# machine_cpu NAME: the CPU time its QEMU process has had, in ticks of 10 ms.
machine_cpu() { sed 's/.*) //' "/proc/${machine_pid[$1]}/stat" 2>/dev/null | awk '{ print $12 + $13 }'; }

# machine_busy NAME: a thread of it runs, or would if a CPU or disk had time for it.
machine_busy() { cat "/proc/${machine_pid[$1]}"/task/*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^[RD]'; }

# machine_finish NAME [SECONDS]: wait until its script has ended and power is off; fails unless the
# script ended with 0. Where instructions are counted the seconds are of CPU time, which don't depend on what else this
# host does; and such a machine, which never sleeps, hangs when it wanted none for MACHINE_HUNG (default 60) seconds.
machine_finish() {
	local name=$1 limit=${2:-60} start=$SECONDS cpu seen=-1 idle=0

	while machine_running "$name"; do
		if [ "${MACHINE_ICOUNT:-}" != 1 ]; then
			[ $((SECONDS - start)) -lt "$limit" ] || { machine_error "$name was still running after $limit s"; return 1; }
			sleep 0.1
			continue
		fi
		# Looks are counted, not seconds: on a busy host this script is late, too.
		cpu=$(machine_cpu "$name")
		idle=$((idle + 1))
		if [ "${cpu:=$seen}" != "$seen" ] || machine_busy "$name"; then
			seen=$cpu idle=0
		fi
		[ "$seen" -lt $((limit * 100)) ] || { machine_error "$name was still running after $limit s of CPU time"; return 1; }
		[ $idle -lt $((${MACHINE_HUNG:-60} * 2)) ] ||
			{ machine_error "$name hangs: no CPU time for ${MACHINE_HUNG:-60} s"; return 1; }
		sleep 0.5
	done
	wait "${machine_pid[$name]}" 2>/dev/null || true
	unset "machine_pid[$name]"
	grep -qsx 'MACHINE EXIT 0' "$MACHINE_DIR/$name/result" ||
		{ machine_error "$name: $(grep -sE 'MACHINE EXIT|SCENARIO FAIL' "$MACHINE_DIR/$name/result" |
			paste -sd ' ' | grep . || echo "its script never ended$(machine_last_words "$name")")"; return 1; }
}

# machine_last_words NAME: ": " and what its kernel died of, where it was and who had called; nothing if its console
# doesn't tell. Where only a run's output is kept, that is all there is to go by.
machine_last_words() {
	local console=$MACHINE_DIR/$1.console first

	first=$("$machine_scripts/scan-log.sh" "$console" | head -n 1) || true
	[ -n "$first" ] || return 0
	echo -n ": ${first#*:*:}"
	tr -d '\r' < "$console" | tail -n "+$(cut -d: -f2 <<< "$first")" | sed -n 's/^\[[ 0-9.]*\] *//
		/^RIP: 0010:/{s/^RIP: 0010:/ at /p;d}
		/^ *[a-zA-Z_][a-zA-Z0-9_.]*+0x[0-9a-f]*\/0x[0-9a-f]*/{s/^ */ < /;s/\/0x.*//p}' | head -n 10 | tr -d '\n'
}

# machine_stop_all: kill every machine that this shell started and that still runs.
machine_stop_all() {
	local name

	for name in "${!machine_pid[@]}"; do
		kill -KILL "${machine_pid[$name]}" 2>/dev/null || true
		wait "${machine_pid[$name]}" 2>/dev/null || true
	done
	machine_pid=()
	[ -z "${machine_sockets:-}" ] || rm -rf "$machine_sockets"
	machine_sockets=
}
