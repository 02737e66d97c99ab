#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-module.sh KERNEL [VARIABLE=VALUE...]: build dm-ordered.ko for 6.1, 6.12, debug or the kernel
# whose build directory is given, in build/<release>/ (or $OUT), out of the one source in dm-ordered/.
# With MODULE=powercut: the tests' own disks, tests/vm/powercut/, in build/powercut/<release>/. With
# MODULE=kunit (debug only): dm-ordered-kunit.ko, the suites of tests/kunit/, which run when it is loaded.
# Further arguments go to make, e.g. W=1 or C=2. Prints the module's path on success.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
[ $# -ge 1 ] || { sed -n '4,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
kernel=$1; shift

case $kernel in
/*) kdir=$kernel ;;
*) kdir=$("$here/kernels.sh" kdir "$kernel") ;;
esac
[ -e "$kdir/Makefile" ] || { echo "build-module.sh: $kdir is no kernel build directory" >&2; exit 1; }
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$kdir/include/generated/utsrelease.h")
case ${MODULE:-ordered} in
ordered) src=$top/dm-ordered out=${OUT:-$top/build/$release} ;;
powercut) src=$top/tests/vm/powercut out=${OUT:-$top/build/powercut/$release} ;;
kunit) src=$top/tests/kunit out=${OUT:-$top/build/kunit/$release} ;;
*) echo "build-module.sh: no module '$MODULE'" >&2; exit 1 ;;
esac
ko=$out/dm-${MODULE:-ordered}.ko
[ "${MODULE:-}" != kunit ] || ko=$out/dm-ordered-kunit.ko
[ -e "$src/Kbuild" ] || [ -e "$src/Kbuild.kunit" ] || { echo "build-module.sh: $src/Kbuild is missing" >&2; exit 1; }

# A tree of links: kbuild puts its objects beside them, so that each kernel has its own.
mkdir -p "$out"
exec 9> "$out/.lock"; flock 9
find "$out" -xtype l -delete
link_tree() {
	(cd "$1" && find . -type f \( -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild \) -print) | while read -r f; do
		[ "$(readlink "$2/$f" 2>/dev/null)" = "$1/$f" ] && continue
		mkdir -p "$(dirname "$2/$f")"
		ln -sfn "$1/$f" "$2/$f"
	done
}
if [ "${MODULE:-}" = kunit ]; then
	link_tree "$top/dm-ordered" "$out/core"
	link_tree "$src" "$out/tests"
	{
		cat "$src/Kbuild.kunit"
		cat <<-'K'
		obj-m := dm-ordered-kunit.o
		dm-ordered-kunit-y := $(addprefix core/,$(dmo-kunit-core) $(dmo-kunit-kernel))
		dm-ordered-kunit-y += $(addprefix tests/,$(dmo-kunit-tests)) tests/module.o
		ccflags-y += -I$(src)/core -I$(src)/core/uapi -Werror -DDMO_KUNIT
		UBSAN_SANITIZE := y
		K
	} > "$out/Kbuild.new"
	cmp -s "$out/Kbuild.new" "$out/Kbuild" || cp "$out/Kbuild.new" "$out/Kbuild"
else
	link_tree "$src" "$out"
fi

make -C "$kdir" M="$out" -j"${JOBS:-$(nproc)}" "$@" modules >&2 9>&- || {
	rm -f "$ko"	# no test must run an older one
	exit 1
}
echo "$ko"
