#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# static.sh: what can be said about the sources without running them, a line each: the module without a
# warning under W=1 and sparse on both stock kernels, checkpatch, shellcheck, which file includes
# which, DKMS, what `make install` installs. Logs in build/logs/static/.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
logs=build/logs/static
rm -rf "$logs"; mkdir -p "$logs"

# try NAME COMMAND...: the command must succeed; the last line of what it prints says why it didn't.
try() {
	local name=$1 log=$logs/${1//[ \/()]/-}.log start=$SECONDS; shift

	if (set -e; "$@") > "$log" 2>&1; then
		echo "ok $name ($((SECONDS - start)) s)"
	else
		echo "FAILED $name: $(tail -n 1 "$log"), log in $log"
	fi
}

# The module for kernel $1 with the make arguments that follow, in a tree of its own; no line of the
# output may be a complaint.
build_silently() {
	local kernel=$1 out; shift

	out=$top/build/static/$kernel
	rm -rf "$out"; mkdir -p "$out"
	OUT=$out scripts/build-module.sh "$kernel" "$@" > "$out.log" 2>&1 || { cat "$out.log"; return 1; }
	cat "$out.log"
	if grep -E '\b(warning|error):' "$out.log"; then
		return 1
	fi
}

checkpatch() {
	local script; script=$(scripts/kernels.sh source)/scripts/checkpatch.pl
	local -a files

	mapfile -t files < <(git ls-files "$@" | grep -E '\.[ch]$')
	[ ${#files[@]} -gt 0 ] || { echo "no file under $*"; return 1; }
	"$script" --no-tree --terse --quiet --show-types --summary-file --max-line-length=100 \
		--ignore FILE_PATH_CHANGES,SPDX_LICENSE_TAG,EMBEDDED_FILENAME -f "${files[@]}"
}

# Builds under DKMS, in trees of its own, for the stock 6.1 kernel.
dkms_builds() {
	local kver name version

	d=$(mktemp -d)		# not local: the trap needs it
	trap 'rm -rf "$d"' EXIT

	kver=$(scripts/kernels.sh version 6.1)
	name=$(sed -n 's/^PACKAGE_NAME="\(.*\)"/\1/p' dkms.conf)
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
	mkdir -p "$d/tree" "$d/root"
	make -s install-dkms DESTDIR="$d/root"
	dkms add --dkmstree "$d/tree" --sourcetree "$d/root/usr/src" -m "$name" -v "$version"
	dkms build --dkmstree "$d/tree" --sourcetree "$d/root/usr/src" -m "$name" -v "$version" -k "$kver" --arch x86_64
	find "$d/tree" -name 'dm-ordered.ko*' | grep .
}

installs() {
	local f kver

	d=$(mktemp -d)
	trap 'rm -rf "$d" "$d.said"' EXIT
	kver=$(scripts/kernels.sh version 6.1)

	# for a kernel that doesn't run: said last, with both kernels and what to do
	make -s install DESTDIR="$d" KDIR="$(scripts/kernels.sh kdir 6.1)" RUNNING=1.2.3-other 2> "$d.said"
	for f in "installed for the kernel $kver, and that one does not run" 'The kernel that runs, 1.2.3-other,' \
		 'linux-headers-1.2.3-other' 'KDIR='; do
		tail -n 4 "$d.said" | grep -qF -e "$f" || { echo "make install for a kernel that doesn't run does not say \"$f\""; return 1; }
	done
	make -s install DESTDIR="$d" KDIR="$(scripts/kernels.sh kdir 6.1)" RUNNING="$kver" 2> "$d.said"
	if grep 'does not run' "$d.said"; then
		echo "make install for the kernel that runs says that it doesn't"
		return 1
	fi
	(cd "$d" && find . -type f)
	for f in 'lib/modules/*/updates/dm-ordered.ko' 'usr/sbin/orderedctl' \
		 'usr/share/man/man8/orderedctl.8' 'usr/share/bash-completion/completions/orderedctl'; do
		compgen -G "$d/$f" > /dev/null || { echo "make install did not install $f"; return 1; }
	done
	make -s uninstall DESTDIR="$d" KDIR="$(scripts/kernels.sh kdir 6.1)"
	f=$(cd "$d" && find . -type f)
	[ -z "$f" ] || { echo "make uninstall left $f"; return 1; }
}

shell_scripts() {
	local -a files

	mapfile -t files < <(git ls-files 'scripts/*.sh' 'tests/*.sh' .ci/run)
	shellcheck -x "${files[@]}"
}

# The table of testing.md is what scripts/mutants.sh -l prints, and each patch applies.
mutants_listed() {
	local m rc=0

	for m in tests/mutants/*.patch; do
		git apply --check "$m" || rc=1
	done
	diff <(sed -n '/^| mutant |/,/^$/p' Documentation/testing.md | grep .) <(scripts/mutants.sh -l) || rc=1
	return $rc
}

# A comment names a rule by its number, and the rules are in the tree.
rules_exist() {
	local n rc=0

	if git grep -nE 'design(\.md)? (section|R[0-9])' -- dm-ordered userspace tests scripts ':!scripts/static.sh'; then
		echo "there is no such page"
		rc=1
	fi
	for n in $(git grep -hoE '\bR[0-9]{1,2}\b' -- 'dm-ordered/*.[ch]' 'userspace/*.[ch]' 'tests/mutants/*.patch' Documentation | sort -u); do
		grep -q "^$n: " Documentation/rules.rst || { echo "rules.rst has no $n"; rc=1; }
	done
	return $rc
}

for k in $(scripts/kernels.sh list); do
	try "module without warnings (W=1, sparse, $k)" build_silently "$k" W=1 C=2
done
try "checkpatch dm-ordered" checkpatch dm-ordered
try "checkpatch userspace" checkpatch userspace
try "shellcheck" shell_scripts
try "includes point one way" scripts/includes.py
try "rules that are named exist" rules_exist
try "mutants apply and are listed" mutants_listed
try "dkms builds" dkms_builds
try "make install and uninstall" installs
