#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: 64 volumes of one session stand at one cut, whatever becomes of the link; 256 volumes come, replicate and go.
# Kernels: 6.1
# Machines: 1
# Cpus: 2
# Limit: 240
# Mem: 1024

. "$DMO_TOP/tests/vm/lib/ordered.sh"

# Slices of one loop device a side, 1 MiB each: 2 x 64 loop devices would take longer than all the rest.
slices() {
	local name=$1 n=$2 end k dev

	for end in p s; do
		dev=$(disk_loop "$name-$end.all" "$n")
		for ((k = 1; k <= n; k++)); do
			printf '%s,,,rw,0 2048 linear %s %d;' "$name-${end}d$k" "$dev" $(((k - 1) * 2048))
		done | sed 's/;$//' > /run/concise
		for ((k = 1; k <= n; k++)); do
			S_dev[$name-${end}d$k]=/dev/mapper/$name-${end}d$k
		done
		check "slices of $dev" dmsetup create --concise "$(cat /run/concise)"
		S_dev[$name-${end}m]=$(disk_loop "$name-${end}m" 32)
	done
	dmsetup mknodes > /dev/null 2>&1 || true
}

# many NAME N OPTION...: a session of N volumes, as session_make does, over slices.
many() {
	local name=$1 n=$2 k role vols=(); shift 2

	slices "$name" "$n"
	S_nvol[$name]=$n S_reads[$name]=1 S_port[$name]=$((s_next_port++))
	S_uuid[$name]=$(cat /proc/sys/kernel/random/uuid)
	for ((k = 1; k <= n; k++)); do vols+=(--volume "$k:1M"); done
	for role in primary secondary; do
		check "format, $role" orderedctl format --role $role --plain --uuid "${S_uuid[$name]}" "${vols[@]}" "$@" \
			"${S_dev[$name-${role:0:1}m]}"
	done
	session_create "$name" p
	session_create "$name" s
}

net_sites
load_module
step "64 volumes"
many m 64 --cycle-ms 30 --assume-equal
session_cuts m link "$(long 12 200)" "$SEED" --area 32 --pause 200
same "64 volumes are listed" "$(pstat m volumes.length)" 64
session_equal m
step "remove"
session_remove m
for ((k = 1; k <= 64; k++)); do echo "m-pd$k m-sd$k"; done | xargs -n 128 dmsetup remove

step "256 volumes"
many x 256 --cycle-ms 100
session_link x
session_copied x
for k in 1 128 256; do
	check "a write to volume $k" dd if=/dev/urandom of="$(pvol x $k)" bs=64k count=4 oflag=direct status=none
done
session_drain x
same "256 volumes are listed" "$(sstat x volumes.length)" 256
for k in 1 2 127 128 255 256; do
	check "volume $k is equal" cmp "$(pdata x $k)" "$(sdata x $k)"
done
vols=()
for ((k = 1; k <= 257; k++)); do vols+=(--volume "$k:1M"); done
refused "a 257th" "256" orderedctl format --role primary --plain --force "${vols[@]}" "$(pmeta x)"
session_remove x
pass
