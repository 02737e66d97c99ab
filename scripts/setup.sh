#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# setup.sh [demo|bench]: install what building and testing need on a Debian 12 machine; "demo" adds what
# `make demo` needs, "bench" what `make bench` does. Does nothing, quickly, when everything is there.

set -euo pipefail

packages=(
	# building
	build-essential bc bison flex libelf-dev libssl-dev pkg-config kmod cpio xz-utils
	libnl-3-dev libnl-genl-3-dev libdevmapper-dev libjson-c-dev libblkid-dev dkms
	# kernels
	linux-image-amd64 linux-headers-amd64 linux-image-6.12-amd64 linux-headers-6.12-amd64
	linux-source-6.1
	# checking
	libcmocka-dev sparse shellcheck codespell clang-14 libclang-rt-14-dev llvm-14
	# the emulated machines and what runs in them
	qemu-system-x86 qemu-utils busybox-static iproute2 nftables dmsetup e2fsprogs xfsprogs fio
	procps util-linux jq
	# what is put on and under the volumes there
	btrfs-progs cryptsetup-bin fdisk kpartx lvm2 mdadm sqlite3 thin-provisioning-tools
)
[ "${1:-}" != demo ] || packages+=(postgresql-15)
[ "${1:-}" != bench ] || packages+=(gnuplot-nox drbd-utils postgresql-15)

missing=()
there=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
for p in "${packages[@]}"; do
	grep -qxF "$p installed" <<< "$there" || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "setup.sh: not root; to install by hand: ${missing[*]}" >&2
	exit 1
fi

echo "setup.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
export INITRD=No	# the machines boot with an initrd of their own

if [ -n "${1:-}" ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
	# No database server on this machine: those of the demo and the benches run in emulated machines.
	mkdir -p /etc/postgresql-common
	echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
fi

# A machine that has just started often has its package manager busy: wait for that, ten minutes at most.
patiently() {
	local out deadline=$((SECONDS + ${SETUP_PATIENCE:-600})) said=0

	while ! out=$("$@" 2>&1); do
		if ! grep -qE 'Could not get lock|Unable to acquire|is another process using it' <<< "$out" ||
				[ $SECONDS -ge $deadline ]; then
			echo "$out" >&2
			return 1
		fi
		[ $said = 1 ] || echo "setup.sh: the package manager is busy, waiting: $(grep -m 1 -E 'lock' <<< "$out")" >&2
		said=1
		sleep "${SETUP_POLL:-5}"
	done
	echo "$out"
}

patiently apt-get -q update
patiently apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 \
	install "${missing[@]}" || {
	echo "setup.sh: installing failed. The 6.12 kernel comes from bookworm-security: is it among" \
	     "this machine's package sources?" >&2
	exit 1
}
