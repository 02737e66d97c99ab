#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vm.sh [OPTION...] COMMAND...: run a command line in an emulated machine that sees this machine's files,
# and print what it prints. For trying things out; scenarios go through scripts/scenario.sh.
#   --kernel 6.1|6.12|debug   default 6.1          --mem MIB, --smp N
#   --icount                  one CPU, repeatable virtual time
#   --drive SERIAL:SIZE[:raw|qcow2]   may be given several times; `drive SERIAL` finds it
#   --limit SECONDS           default 300          --append WORDS   for the kernel command line
#   --out DIR                 its /outbox and console (default: build/logs/vm)
# The helpers of tests/vm/lib/guest.sh are there; in a machine that is a scenario's, too.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/machine.sh
. "$top/scripts/machine.sh"

MACHINE_KERNEL=6.1 MACHINE_DIR=$top/build/logs/vm MACHINE_ENV=("LONG=${LONG:-0}" "SEED=${SEED:-1}")
drives=() limit=300
while [ $# -gt 0 ]; do
	case $1 in
	--kernel) MACHINE_KERNEL=$2; shift 2 ;;
	--mem) MACHINE_MEM=$2; shift 2 ;;
	--smp) MACHINE_SMP=$2; shift 2 ;;
	--icount) MACHINE_ICOUNT=1; shift ;;
	--drive) drives+=("$2"); shift 2 ;;
	--limit) limit=$2; shift 2 ;;
	--append) MACHINE_APPEND=$2; shift 2 ;;
	--out) MACHINE_DIR=$(realpath -m "$2"); shift 2 ;;
	--) shift; break ;;
	-*) sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

make -s -C "$top/tests/vm/lib"
rm -rf "$MACHINE_DIR"; mkdir -p "$MACHINE_DIR"
release=$("$top/scripts/kernels.sh" version "$MACHINE_KERNEL")
MACHINE_MODULE=$top/build/$release/dm-ordered.ko
MACHINE_ENV+=("DMO_POWERCUT=$top/build/powercut/$release/dm-powercut.ko")
trap machine_stop_all EXIT
trap 'exit 143' TERM INT
for d in "${drives[@]}"; do
	IFS=: read -r serial size format <<< "$d"
	machine_drive vm "$serial" "$size" "${format:-raw}"
done
: > "$MACHINE_DIR/vm.console"
machine_start vm bash -c ". tests/vm/lib/guest.sh; trap - EXIT; $*"
tail -n +1 -f "$MACHINE_DIR/vm.console" &
tail=$!
rc=0
machine_finish vm "$limit" || rc=1
sleep 0.2; kill "$tail"
exit $rc
