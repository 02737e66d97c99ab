#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measures: 4 KiB random writes a second under full load, and their latency, on two machines with a line of 20 Mbit/s between
# them, when it is steady; against DRBD 8.4, protocols A and C, on disks of the same kind over the same line.
# Kernels: 6.1
# Time: real
# Needs: drbdadm:drbd-utils module/drbd:linux-image-amd64
# Machines: 2
# Limit: 480
# Mem: 1024
# Append: pci=noacpi
# Plot: pair-1|lines|4 KiB random writes, depth 1, two machines, line of 20 Mbit/s|RTT in ms|writes/s
# Plot: pair-16|lines|4 KiB random writes, depth 16, two machines, line of 20 Mbit/s|RTT in ms|writes/s

# Steady means: what waits on its way (DRBD A: in socket buffers of at most 4 and 6 MiB, 4.2 s of the line; ordered: in chunks
# of at most 12 MiB, 5 s of the line) has become as much as it ever will. So some seconds of the load are not counted, and the
# line says whether they were enough: DRBD must have sent as much as was written, else it is loaded once more; ordered must
# have committed cuts. The line carries some 600 such writes a second, the disk some 11,000 at depth 1 when one CPU is emulated
# without disturbance: 18 times as many, about what 100 Mbit/s are to a good NVMe drive. Both machines do the same in the same
# order, and wait for each other; only a writes.

[ -z "${DMO_ROLE:-}" ] || . "$DMO_TOP/tests/bench/lib.sh"

line_mbit=20 mib=16 area=0M:12M
sent=/sys/class/net/eth0/statistics/tx_bytes
uuid=5e55107e-0000-4000-8000-0000000000dd
declare -A rate_of minor=([A]=0 [C]=1)

# meet: go on when the other one has come here, too.
meet() {
	meetings=$((${meetings:-0} + 1))
	say "MEET $meetings"
	heed meet-$meetings 600
}
on_a() { [ "$DMO_ROLE" = a ]; }

# ---------------------------------------------------------------- the two

# All defaults, but for how long an answer to a ping may take: behind a full send buffer more than 0.5 s.
drbd_conf() {
	local protocol n

	printf 'global { usage-count no; }\n'
	for protocol in A C; do
		printf 'resource %s {\n\tnet { protocol %s; ping-timeout 300; }\n' $protocol $protocol
		printf '\tdevice /dev/drbd%s;\n\tdisk %s;\n\tmeta-disk internal;\n' "${minor[$protocol]}" "$(readlink -f "${S_dev[drbd-$protocol]}")"
		for n in 1 2; do
			printf '\ton %s { address 10.77.0.%s:700%s; }\n' "$(cut -c$n <<< ab)" $n "${minor[$protocol]}"
		done
		printf '}\n'
	done
}
drbd() { drbdadm -c /run/drbd.conf "$@"; }
# drbd_is PROTOCOL CSTATE DSTATE
drbd_is() { [ "$(drbd cstate "$1") $(drbd dstate "$1")" = "$2 $3" ]; }

# All that was sent is on the disk, and nothing is missing there.
drbd_settled() { line_quiet && ! grep -E '(lo|pe|ua|oos):[1-9]' /proc/drbd; }

drbd_up() {
	local protocol

	echo "$DMO_ROLE" > /proc/sys/kernel/hostname
	need_module drbd
	echo /none > /sys/module/drbd/parameters/usermode_helper
	mkdir -p /run/lock /var/lib/drbd
	drbd_conf > /run/drbd.conf
	for protocol in A C; do
		check "DRBD $protocol: metadata" drbd -- --force create-md $protocol
		check "DRBD $protocol: up" drbd up $protocol
		wait_for 120 "DRBD $protocol: connected" drbd_is $protocol Connected Inconsistent/Inconsistent
	done
	meet
	for protocol in A C; do
		if on_a; then
			check "DRBD $protocol: no first copy" drbd -- --clear-bitmap new-current-uuid $protocol
			check "DRBD $protocol: primary" drbd primary $protocol
		fi
		wait_for 120 "DRBD $protocol: up to date" drbd_is $protocol Connected UpToDate/UpToDate
	done
}

ordered_up() {
	local meta role=secondary

	! on_a || role=primary
	meta=$(disk_loop meta 128)
	S_dev[o-pm]=$meta S_dev[o-sm]=$meta
	load_module
	check "format" orderedctl format --role $role --plain --cycle-ms 1000 --budget-mib 256 --link-timeout 60000 \
		--assume-equal --uuid $uuid --volume "1:${S_dev[ordered]}" "$meta"
	check "create" orderedctl create --meta "$meta" --map "1=${S_dev[ordered]},o-p-1"
	dmsetup mknodes > /dev/null 2>&1 || true
	if on_a; then
		wait_for 120 "b listens" orderedctl connect "$meta" 10.77.0.2:7788 --timeout 120
	else
		check "listen" orderedctl listen "$meta" 7788 --timeout 120
	fi
	wait_stat 120 "$meta" link_state up
}

# line RTT: half of it each way, from here on.
line() { check "RTT $1 ms" tc qdisc replace dev eth0 root netem delay "$(($1 * 500))us" limit 100000 rate ${line_mbit}mbit; }
# Nothing of the one is on the line any more when the other is measured.
line_quiet() { awk 'FNR > 1 && $5 !~ /^0+:0+$/ { exit 1 }' /proc/net/tcp; }

# ---------------------------------------------------------------- what is measured

# ticks: all that this CPU has had, and those of them in which it was idle.
ticks() { awk '/^cpu / { print $2 + $3 + $4 + $5 + $6 + $7 + $8, $5 + $6 }' /proc/stat; }

# load DEVICE DEPTH WARM SECONDS: full load, the first seconds not counted.
load() {
	ticks_before=$(ticks)
	io "$1" --area $area --depth "$2" --ops 500000 --warm "$3" --seconds "$4" --latencies /run/latencies --counter $sent --seed "$2"
	ticks_after=$(ticks)
}
# tell NAME DEPTH RTT: what came of it.
tell() {
	local what="RTT $3 ms, depth $2: $1"

	rate_of[$1-$3-$2]=$(calc "1e9 / $io_per_op")
	figure "$what" "${rate_of[$1-$3-$2]}" writes/s
	figure "$what, p50" "$(calc "$io_p50 / 1000")" us
	figure "$what, p99" "$(calc "$io_p99 / 1000")" us
	figure "$what, CPU busy" "$(awk '{ t = $1 - t; i = $2 - i } END { printf "%.3f", 1 - i / t }' <<< "$ticks_before"$'\n'"$ticks_after")" x
	[ "$1" = dm-linear ] || figure "$what, of the line" "$(calc "$io_counted * 8e3 / $io_ns / $line_mbit")" x
}
# sent_all: as much went out as was written in that time; else it only filled a buffer.
sent_all() { awk -v s="$io_counted" -v n="$io_ops" 'BEGIN { exit !(s > 0.97 * n * 4096) }'; }

measure_drbd() {
	local protocol=$1 depth=$2 rtt=$3 tries=0

	load "/dev/drbd${minor[$protocol]}" "$depth" "$(long 3 4)" "$(long 3 6)"
	until sent_all; do
		tries=$((tries + 1))
		[ $tries -lt 10 ] || fail "DRBD $protocol, RTT $rtt ms, depth $depth does not become steady"
		load "/dev/drbd${minor[$protocol]}" "$depth" 0 "$(long 3 6)"
	done
	drbd_is "$protocol" Connected UpToDate/UpToDate || fail "DRBD $protocol has lost its link"
	tell "DRBD $protocol" "$depth" "$rtt"
	wait_for 120 "a quiet line" line_quiet
}

# times NAME-RTT-DEPTH: how many times its rate ordered's is.
times() { ratio "${rate_of[ordered-$rtt-$depth]}" "${rate_of[$1]}"; }

measure_ordered() {
	local depth=$1 rtt=$2 cuts

	cuts=$(pstat o cut_committed | sed 's/.*\.//')
	load "$(pvol o)" "$depth" "$(long 4 8)" "$(long 4 8)"
	cuts=$(($(pstat o cut_committed | sed 's/.*\.//') - cuts))
	[ $cuts -gt 0 ] || fail "nothing was committed"
	tell ordered "$depth" "$rtt"
	figure "RTT $rtt ms, depth $depth: ordered, cuts committed" $cuts ""
	figure "RTT $rtt ms, depth $depth: ordered to DRBD A" "$(times "DRBD A-$rtt-$depth")" x min 10
	figure "RTT $rtt ms, depth $depth: ordered to DRBD C" "$(times "DRBD C-$rtt-$depth")" x
	figure "RTT $rtt ms, depth $depth: ordered to dm-linear" "$(times "dm-linear-$rtt-$depth")" x
	session_drain o 300
	wait_for 120 "a quiet line" line_quiet
}

points() {
	local depth rtt name

	for depth in 1 16; do
		for rtt in $rtts; do
			for name in "DRBD C" "DRBD A" ordered dm-linear; do
				point pair-$depth "$name" "$rtt" "${rate_of[$name-$rtt-$depth]}"
			done
		done
	done
}

# digests: of what is on the disks of both, below them.
digests() {
	local protocol size

	say "END ordered $(digest "${S_dev[ordered]}")"
	for protocol in A C; do
		size=$(cat "/sys/block/drbd${minor[$protocol]}/size")
		check "DRBD $protocol: down" drbd down $protocol
		blockdev --flushbufs "${S_dev[drbd-$protocol]}"
		say "END DRBD $protocol, $size sectors: $(head -c $((size * 512)) "${S_dev[drbd-$protocol]}" | sha256sum | cut -d' ' -f1)"
	done
}

guest() {
	local rtt depth name rtts

	rtts=$(long "0 100" "0 20 100")
	net_machine
	for name in ordered drbd-A drbd-C; do bench_disk slow $name $mib; done
	meet
	step "up"
	drbd_up
	ordered_up
	if on_a; then
		bench_disk slow linear $mib
		disk_linear lin "${S_dev[linear]}"
	fi
	for rtt in $rtts; do
		step "RTT $rtt ms"
		meet
		line "$rtt"
		meet
		on_a || continue
		for depth in 1 16; do
			load /dev/mapper/lin $depth 1 "$(long 2 3)"
			tell dm-linear $depth "$rtt"
			measure_drbd C $depth "$rtt"
			measure_drbd A $depth "$rtt"
			measure_ordered $depth "$rtt"
		done
	done
	! on_a || points
	step "both sides are equal"
	meet
	wait_for 120 "all of DRBD on the disk" drbd_settled
	on_a || same "INCONSISTENT" "$(sstat o inconsistent)" false
	meet
	digests
	bench_pass
}

# arrived MACHINE N: has it come to its Nth meeting (0), or to its end (1)?
arrived() {
	machine_wait "$1" "^MEET $2$|^END|^SCENARIO FAIL" 600 || host_fail "$1 was never there: meeting $2"
	! grep -q '^SCENARIO FAIL' "$MACHINE_DIR/$1/result" || host_fail "$1: $(grep '^SCENARIO FAIL' "$MACHINE_DIR/$1/result")"
	grep -q "^MEET $2$" "$MACHINE_DIR/$1/result"
}

host() {
	local n=1 m

	guest_start b guest
	guest_start a guest
	while arrived a $n && arrived b $n; do
		for m in a b; do machine_tell $m meet-$n; done
		n=$((n + 1))
	done
	for m in a b; do machine_finish $m 120; done
	[ "$(grep -c '^END' "$MACHINE_DIR/a/result")" = 3 ] || host_fail "a did not say what it has"
	[ "$(grep '^END' "$MACHINE_DIR/a/result")" = "$(grep '^END' "$MACHINE_DIR/b/result")" ] || host_fail "the disks of both sides differ at the end"
	scenario_pass
}
