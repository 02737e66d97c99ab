#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: scripts/setup.sh waits while the package manager is busy, gives up after a while, and does not wait for what is
# no lock. apt-get and dpkg-query are played.

set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
ok() { echo "ok setup.$1"; passed=$((passed + 1)); }
bad() { echo "FAILED setup.$1: $2"; failed=$((failed + 1)); }

# play WHAT: an apt-get that does WHAT each time, given how often it was called before.
play() {
	echo 0 > "$dir/calls"
	cat > "$dir/apt-get" <<-EOT
		#!/bin/bash
		n=\$(cat "$dir/calls"); echo \$((n + 1)) > "$dir/calls"
		$1
	EOT
	printf '#!/bin/bash\nexit 1\n' > "$dir/dpkg-query"
	chmod +x "$dir/apt-get" "$dir/dpkg-query"
}
setup() { SETUP_POLL=0.1 SETUP_PATIENCE=$1 PATH="$dir:$PATH" bash "$top/scripts/setup.sh" > "$dir/out" 2>&1; }
lock="E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"

if [ "$(id -u)" != 0 ]; then
	echo "SKIPPED setup.waits: not root"
	exit 0
fi
play "if [ \$n -lt 3 ]; then echo '$lock'; exit 100; fi"
if setup 60 && [ "$(cat "$dir/calls")" = 5 ] && [ "$(grep -c 'busy, waiting' "$dir/out")" = 1 ]; then
	ok waits
else
	bad waits "$(cat "$dir/calls") calls, $(tail -n 1 "$dir/out")"
fi
play "echo '$lock'; exit 100"
if setup 1; then bad gives-up "it succeeded"; elif grep -q 'Could not get lock' "$dir/out"; then ok gives-up; else bad gives-up "$(tail -n 1 "$dir/out")"; fi
play "echo 'E: Unable to locate package'; exit 100"
if setup 60; then
	bad other-errors "it succeeded"
elif [ "$(cat "$dir/calls")" = 1 ]; then
	ok other-errors
else
	bad other-errors "$(cat "$dir/calls") calls"
fi
[ $failed = 0 ]
