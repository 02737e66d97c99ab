# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh: what the benches of tests/bench/vm/ use inside a machine, on top of tests/vm/lib/ordered.sh. A bench is a
# scenario (scripts/scenario.sh) that besides leaves figures in /outbox/figures; tests/bench/run.sh collects them.
# A bench that needs more programs, modules or files than these here sets bench_programs, bench_modules and bench_files
# before it sources this.
# LONG=1 is `make bench`, else it is `make bench-quick`.

# memory_root: go on in a root of memory that holds only what benches need. The usual one is the host's, and while an
# answer of the host is waited for the counted clock leaps from timer to timer: by seconds, and never twice the same.
# shellcheck disable=SC2154 # scenario_file is enter.sh's
memory_root() {
	local f dir release; release=$(uname -r)
	local -a programs=() files=()

	for f in awk bash basename blockdev cat chrt cp cut date dd dirname dmesg dmsetup env find grep head insmod ip kill ln losetup ls mount umount seq tee xargs cmp \
		 lsblk mkdir mktemp modinfo modprobe mountpoint paste mknod readlink rm rmdir rmmod sed sleep sort ss stat sync tail tc timeout \
		 touch tr truncate uname wc ${bench_programs:-}; do
		programs+=("$(type -P "$f")") || fail "there is no program $f"
	done
	programs+=("$DMO_TOP/build/userspace/orderedctl" "$DMO_TOP"/build/vm/* "$DMO_TOP"/build/bench/dmobench
		   "$DMO_TOP"/build/bench/dmostream)
	mapfile -t files <<< "$(ldd "${programs[@]}" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*' | sort -u)"
	for f in dm-mod brd loop null_blk veth sch_netem sch_htb tcp_diag inet_diag libcrc32c crc32c-intel ${bench_modules:-}; do	# none is read from there
		modprobe "$f" 2>/dev/null || true
	done
	mkdir /mem
	mount -t tmpfs tmpfs /mem
	for f in "${programs[@]}" "${files[@]}" /etc/passwd "$DMO_MODULE" "$DMO_TOP"/tests/vm/lib/*.sh "$DMO_TOP"/tests/bench/*.sh \
		 "$DMO_TOP/$scenario_file"; do
		mkdir -p "/mem${f%/*}"
		cp "$f" "/mem$f"
	done
	for f in ${bench_files:-}; do
		mkdir -p "/mem${f%/*}"
		cp -r "$f" "/mem$f"
	done
	mkdir -p "/mem/lib/modules/$release" /mem/tmp /mem/etc/iproute2 /mem/bin
	ln -s "$(type -P bash)" /mem/bin/sh
	cp /lib/modules/"$release"/modules.builtin /mem/lib/modules/"$release"/
	for dir in dev proc sys run outbox; do
		mkdir -p "/mem/$dir"
		mount --rbind "/$dir" "/mem/$dir"
	done
	exec chroot /mem "$(type -P bash)" -ec "touch /in-memory; cd $(printf %q "$DMO_TOP") && exec bash tests/vm/lib/enter.sh $(printf %q "$scenario_file")"
}
[ -e /in-memory ] || ! grep -qx '# Icount: 1' "$DMO_TOP/$scenario_file" || memory_root

. "$DMO_TOP/tests/vm/lib/ordered.sh"
PATH=$DMO_TOP/build/bench:$PATH

# figure NAME VALUE UNIT [max|min LIMIT]: a result, and the bar it is to be held to. Nothing is written to the host
# here: where instructions are counted, waiting for the host is a leap of the clock to whatever timer comes next.
figure() {
	[[ $2 =~ ^-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$ ]] || fail "no value for '$1': '$2'"
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" "${5:-}" >> /run/figures
	echo "FIGURE $1: $2 $3${4:+ ($4 $5)}"
}
# point PLOT SERIES X Y: a point of a plot that the bench's header names.
point() { printf '%s\t%s\t%s\t%s\n' "$@" >> /run/points; }
# bench_pass: how a bench ends.
bench_pass() {
	local f

	for f in figures points; do
		[ ! -e /run/$f ] || cp /run/$f /outbox/$f
	done
	pass
}

# warm COMMAND...: run it, for nothing but to have the program and what it needs read from the host.
warm() { "$@" > /dev/null 2>&1 || true; }

# ratio A B: A / B with four places.
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.4f", a / b }'; }
# calc EXPRESSION: awk's arithmetic.
calc() { awk "BEGIN { printf \"%.6g\", $1 }"; }

# shellcheck disable=SC2034 # for the bench
io_per_op='' io_ns='' io_ops='' io_counted='' io_mean='' io_p50='' io_p99='' io_max='' io_late=''
# io DEVICE OPTION...: dmobench (or io_program); leaves its words in io_<word>: io_per_op, io_ns, io_p50 ...
io() {
	local out pair

	# shellcheck disable=SC2086 # words
	out=$(${io_program:-dmobench} "$@" 2>&1) || fail "dmobench $*: $out"
	echo "dmobench $*: $out"
	for pair in $out; do
		printf -v "io_${pair%%=*}" %s "${pair#*=}"
	done
}

# Two disks on which what a driver costs can be seen: ram completes at once, in the caller; slow is a null_blk
# that takes 10 us, as a good NVMe drive does, and completes in an interrupt. Both hold data.

# bench_disk ram|slow NAME MIB: sets S_dev[NAME], filled once so that nothing is allocated later.
bench_disk() {
	case $1 in
	ram) s_disk "$2" brd "$3" pri 512 ;;
	slow) S_dev[$2]=$(disk_null "$2" "$3" irqmode=2 completion_nsec=10000 blocksize=512 cache_size=0) ;;
	esac
	check "filling $2" dmoload fill "${S_dev[$2]}" --max 1M
}

# bench_cycle NAME MS: from now on.
bench_cycle() { check "cycle of $2 ms" dmsetup message "$1-p-1" 0 cycle_ms "$2"; }

# bench_line RTT [RATE]: delay, in ms, half of it each way, and bandwidth between the sites.
bench_line() {
	local netem="delay $(($1 * 500))us limit 100000${2:+ rate $2}"

	[ "$1${2:-}" != 0 ] || netem=''
	net_shape "$netem"
}

# bench_session NAME VOLUMES MIB [OPTION=VALUE...]: a linked session, equal sides, whose cycle never ends by itself and
# whose secondary has a journal that holds all; over S_dev[NAME-pdN], which exist, and
# S_dev[NAME-sdN], made if they don't.
bench_session() {
	local k name=$1 n=$2 mib=$3

	for ((k = 1; k <= n; k++)); do
		[ -z "${S_dev[$name-sd$k]:-}" ] || continue
		s_disk "$name-sd$k" loop "$mib" sec 512
		check "filling $name-sd$k" dmoload fill "${S_dev[$name-sd$k]}" --max 1M
	done
	session_make "$name" "$n" "$mib" disk=given pmeta=64 smeta=1024 mdisk=loop equal=1 reads=0 \
		cycle=3600000 budget=512 timeout=600000 "${@:4}"
	session_link "$name"
}

# bench_beside_linear ram|slow: sets disk; the bench's `all DEVICE THEN`, which ends each load with `THEN WHAT ...`, on a
# dm-linear over a new disk, and then there is a session $disk on that disk in its place.
declare -A linear
bench_beside_linear() {
	disk=$1
	bench_disk "$disk" "$disk-pd1" 64
	disk_linear "lin-$disk" "$(pdata "$disk")"
	all "/dev/mapper/lin-$disk" true	# whatever is done once only
	all "/dev/mapper/lin-$disk" linear_keep
	dmsetup remove "lin-$disk"
	bench_session "$disk" 1 64
}
linear_keep() { linear[$1]=$io_per_op; }
# bench_tell_both PLOT WHAT: what dm-linear took and what the last load took.
bench_tell_both() {
	figure "$2: dm-linear" "${linear[$2]}" ns
	figure "$2: ordered" "$io_per_op" ns
	point "$1" dm-linear "$2" "${linear[$2]}"
	point "$1" ordered "$2" "$io_per_op"
}
