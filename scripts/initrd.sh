#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# initrd.sh KERNEL: print the path of the initrd that the emulated machines boot KERNEL (6.1, 6.12 or
# debug) with; made when the cache has none. It loads virtio and 9p, mounts the host's root read-only
# under an overlay and the host directory of this machine, read-write, on /outbox, and there runs
# /outbox/run. Power goes off when that ends.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernel=$1
cache=$("$here/kernels.sh" cache)
release=$("$here/kernels.sh" version "$kernel")
image=$("$here/kernels.sh" image "$kernel")
key=$( (sha256sum < "$0"; stat -Lc '%s %Y' /bin/busybox "$image") | sha256sum | cut -c1-12)
initrd=$cache/initrd-$release-$key.gz
if [ -e "$initrd" ]; then
	echo "$initrd"
	exit
fi

d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
mkdir -p "$d"/{bin,lib/modules,proc,sys,dev,newroot,lower,rw}
cp /bin/busybox "$d/bin/busybox"
: > "$d/lib/modules/order"
if [ "$kernel" != debug ]; then	# it has them built in
	for m in virtio_pci virtio_blk virtio_net 9pnet_virtio 9p overlay; do
		modprobe -S "$release" --show-depends $m | awk '$1 == "insmod" { print $2 }' | while read -r f; do
			b=$(basename "$f")
			[ -e "$d/lib/modules/$b" ] && continue
			cp "$f" "$d/lib/modules/"
			echo "$b" >> "$d/lib/modules/order"
		done
	done
fi
cat > "$d/init" <<'I'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
while read m; do insmod /lib/modules/$m; done < /lib/modules/order
opt=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o $opt,cache=loose,ro hostroot /lower
mount -t tmpfs -o size=90% tmpfs /rw; mkdir -p /rw/up /rw/wk
mount -t overlay -o lowerdir=/lower,upperdir=/rw/up,workdir=/rw/wk overlay /newroot
for m in dev proc sys; do mount --move /$m /newroot/$m; done
mount -t tmpfs tmpfs /newroot/run
mkdir -p /newroot/dev/shm /newroot/dev/pts /newroot/outbox
mount -t devpts devpts /newroot/dev/pts
mount -t tmpfs -o size=90% tmpfs /newroot/dev/shm
mount -t 9p -o $opt,cache=none,rw outbox /newroot/outbox
mount -t debugfs debugfs /newroot/sys/kernel/debug
mount -t tracefs tracefs /newroot/sys/kernel/tracing 2>/dev/null
mount -t configfs configfs /newroot/sys/kernel/config 2>/dev/null
echo 7 > /newroot/proc/sys/kernel/printk
exec switch_root /newroot /bin/bash -c 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
ip link set lo up
bash /outbox/run < /dev/null
echo "MACHINE EXIT $?" | tee -a /outbox/result
dmesg > /outbox/dmesg
sync
echo o > /proc/sysrq-trigger
while :; do read -rt 9; done'
I
chmod +x "$d/init"
mkdir -p "$cache"
(cd "$d" && find . | cpio -o -H newc 2>/dev/null | gzip -1) > "$initrd.$$"
mv "$initrd.$$" "$initrd"
echo "$initrd"
