#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: the tracepoints tell of each captured write its volume, place, length and cycle, and of each cut its tag;
# writes before a cut bear a seq up to its n, later ones a higher one; each bears its session and a number, and none is missing.
# Kernels: 6.12
# Machines: 1
# Limit: 60
# Mem: 768

. "$DMO_TOP/tests/vm/lib/ordered.sh"
load_module
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
t=/sys/kernel/tracing
echo 4096 > $t/buffer_size_kb
one_cpu tee $t/events/dm_ordered/enable <<< 1 > /dev/null

session_make one 2 8 equal=1 cycle=3600000
session_link one
: > $t/trace

step "20 writes to each volume, a cut, one write more"
for ((i = 0; i < 20; i++)); do
	dd if=/dev/urandom of="$(pvol one 1)" bs=1536 count=1 seek=$((i * 5120)) oflag=direct,seek_bytes status=none
	dd if=/dev/urandom of="$(pvol one 2)" bs=4k count=1 seek=$i oflag=direct status=none
done
check "a discard" blkdiscard -o 1M -l 64k "$(pvol one 1)"
session_drain one
cut=$(pstat one cut)
n=${cut#*.}
dd if=/dev/urandom of="$(pvol one 1)" bs=4k count=1 seek=100 oflag=direct status=none

sed -n 's/.* dmo_[a-z]*: dev=\([0-9:]*\) nr=.*/\1/p' $t/trace | sort -u > /run/devs
sed -n 's/.* dmo_[a-z]*: dev=.* nr=\([0-9]*\) .*/\1/p' $t/trace | sort -n > /run/numbers
sed -n 's/.* dmo_write: dev=.* nr=[0-9]* //p' $t/trace > /run/writes
sed -n 's/.* dmo_cut: dev=.* nr=[0-9]* //p' $t/trace > /run/cuts
sed -n 's/.* dmo_drained: dev=.* nr=[0-9]* //p' $t/trace > /run/drained
same "the session" "$(cat /run/devs)" "$(lsblk -dno MAJ:MIN "$(pmeta one)" | tr -d ' ')"
same "the numbers" "$(cat /run/numbers)" "$(seq "$(wc -l < /run/numbers)")"
same "writes of volume 1" "$(grep -c '^volume=1 .* sectors=[0-9]* seq=[0-9]* zero=0' /run/writes)" 21
same "writes of volume 2" "$(grep -c '^volume=2 .* sectors=8 seq=[0-9]* zero=0' /run/writes)" 20
same "the place of each" "$(sed -n 's/^volume=1 lba=\([0-9]*\) sectors=3 .*/\1/p' /run/writes | tr '\n' ' ')" \
	"$(seq -s ' ' 0 10 190) "
grep -q '^volume=1 lba=2048 sectors=128 .* zero=1' /run/writes || fail "no trace of the discard: $(cat /run/writes)"
same "cuts" "$(cat /run/cuts)" "seq=$n epoch=${cut%.*} n=$n"
same "cycles that drained" "$(cat /run/drained)" "seq=$n"
same "drained is told after the cycle's last write" "$(sed -n 's/.* dmo_\(.*\): .* seq=\([0-9]*\) .*/\1/p; s/.* dmo_drained.*/drained/p' $t/trace |
	uniq | tr '\n' ' ')" "write cut drained write "
same "seq of what the cut covers" "$(head -n -1 /run/writes | sed 's/.* seq=\([0-9]*\) .*/\1/' | sort -u)" "$n"
same "seq of the write after it" "$(tail -n 1 /run/writes | sed 's/.* seq=\([0-9]*\) .*/\1/')" "$((n + 1))"
same "lost events" "$(sed -n 's/^overrun: //p' $t/per_cpu/cpu*/stats | sort -u)" 0
session_unlink one
session_remove one
unload_module
pass
