#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit.sh: build the files named in tests/kunit/Kbuild.kunit into the User-mode kernel, run it, and
# print one line for each test case, "ok SUITE.CASE" or "FAILED SUITE.CASE: why", or "SKIPPED ...".
# Fails when a case failed, when one is missing (see ktap.sh), or when the kernel complained. The whole output is kept in build/logs/kunit/.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
logs=$top/build/logs/kunit
mkdir -p "$logs"

fatal() { echo "FAILED kunit: $*, logs in ${logs#"$top"/}"; exit 1; }

src=$(scripts/kernels.sh source)
out=$(scripts/kernels.sh uml-out)
dir=$src/drivers/md/dm-ordered-kunit

# Copies what differs, so that only that is built again; and removes what is gone.
sync_dir() {
	local from=$1 to=$2 f

	mkdir -p "$to"
	(cd "$from" && find . -type f -name '*.[ch]' ! -name '*.mod.c') | while read -r f; do
		cmp -s "$from/$f" "$to/$f" || { mkdir -p "$to/$(dirname "$f")"; cp "$from/$f" "$to/$f"; }
	done
	(cd "$to" && find . -type f -name '*.[ch]' ! -name '*.mod.c') | while read -r f; do
		[ -e "$from/$f" ] || rm -f "$to/$f"
	done
}

build() {
	local rc=0

	sync_dir dm-ordered "$dir/dm-ordered"
	sync_dir tests/kunit "$dir/tests"
	{
		cat tests/kunit/Kbuild.kunit
		# shellcheck disable=SC2016 # make expands it
		printf '%s\n' 'obj-y := $(addprefix dm-ordered/,$(dmo-kunit-core) $(dmo-kunit-kernel)) $(addprefix tests/,$(dmo-kunit-tests))' \
			'ccflags-y += -I$(srctree)/$(src)/dm-ordered -I$(srctree)/$(src)/dm-ordered/uapi -Werror -DDMO_KUNIT'
	} > "$dir/Makefile.new"
	if cmp -s "$dir/Makefile.new" "$dir/Makefile"; then
		rm "$dir/Makefile.new"
	else
		mv "$dir/Makefile.new" "$dir/Makefile"
	fi
	make -C "$src" ARCH=um SUBARCH=x86_64 O="$out" -j"${JOBS:-$(nproc)}" linux > "$logs/build.log" 2>&1 || rc=$?
	[ $rc != 0 ] || cp "$out/linux" "$logs/linux"
	return $rc
}

# One checkout at a time: the tree in the cache is shared.
(flock 9; build 9>&-) 9> "$(scripts/kernels.sh cache)/uml-tree.lock" || {
	grep -E 'error|Error' "$logs/build.log" | head -n 5 >&2 || true
	fatal "the User-mode kernel doesn't build"
}

# Suites with random tests take their seed, and how much to do, from the command line; see random.h.
args=()
while read -r f; do
	f=$(basename "$f" .c)
	[ -z "${SEED:-}" ] || args+=("$f.seed=$SEED")
	args+=("$f.rounds=$([ "${LONG:-0}" = 0 ] && echo 4 || echo 40)")	# the debug kernel, many times slower, has one
done < <(grep -l '"random.h"' tests/kunit/*_test.c)

rc=0
(cd "$logs" && timeout "${LIMIT:-300}" ./linux mem=512M console=tty kunit.enable=1 kunit_shutdown=halt "${args[@]}" \
	< /dev/null > output 2>&1) || rc=$?
tr -d '\r' < "$logs/output" > "$logs/output.txt"

scripts/ktap.sh uml < "$logs/output.txt" || rc=1
if ! scripts/scan-log.sh "$logs/output.txt" > "$logs/defects"; then
	fatal "the kernel complains: $(head -n 1 "$logs/defects")"
fi
exit $rc
