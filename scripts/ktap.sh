#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ktap.sh LABEL < LOG: what the KUnit suites of tests/kunit/ said in a kernel log, one line for each case,
# "ok SUITE.CASE (LABEL)" or "FAILED SUITE.CASE: why", or "SKIPPED ...". Fails when a case failed, when a
# suite ran fewer cases than it announced, or when suites or cases of the sources are missing.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top/tests/kunit"

tests=$(make -s -f - <<< $'include Kbuild.kunit\nall: ; @echo $(dmo-kunit-tests)')
# shellcheck disable=SC2086 # words
cases=$(cat ${tests//.o/.c} | awk -v uml="$([ "$1" != uml ] || echo 1)" '
	/^#ifndef CONFIG_UML/ { skip = uml }	# what needs more memory than that kernel has
	/^#endif/ { skip = 0 }
	/^[[:space:]]*KUNIT_CASE/ && !skip { n++ }
	END { print n }')

# KTAP of 6.1: a suite is indented by four blanks; what is indented deeper are parameters of a case.
tr -d '\r' | sed 's/^\[ *[0-9.]*\] //' | awk -v label="$1" -v suites_wanted="$(wc -w <<< "$tests")" -v cases_wanted="$cases" '
function result(line,    ok, name, skip, why) {
	ok = line !~ /^ *not ok/
	skip = line ~ /# SKIP/
	name = line
	sub(/^ *(not )?ok [0-9]+ (- )?/, "", name)
	why = name
	if (!sub(/.*# SKIP */, "", why))
		why = "no reason given"
	sub(/ *#.*/, "", name)
	if (skip)
		printf "SKIPPED %s.%s: %s\n", suite, name, why
	else if (ok)
		printf "ok %s.%s (%s)\n", suite, name, label
	else {
		printf "FAILED %s.%s: %s\n", suite, name, first ? first : "see the log"
		bad = 1
	}
	seen++
	cases++
	first = ""
}
/^    # Subtest: / { suite = $0; sub(/^    # Subtest: /, "", suite); seen = 0; plan = 0; inside = 1; next }
/^    1\.\.[0-9]+$/ { plan = substr($0, 8); next }
/^    (not )?ok [0-9]+/ { result($0); next }
/^ +# .*: (EXPECTATION|ASSERTION) FAILED/ { if (!first) { first = $0; sub(/^ +# /, "", first) } next }
/^(not )?ok [0-9]+/ {
	suites++
	inside = 0
	if (seen != plan || seen == 0) {
		printf "FAILED %s: ran %d cases of %d\n", suite, seen, plan
		bad = 1
	}
	next
}
END {
	if (inside) {
		printf "FAILED %s: ended in the middle of the suite\n", suite
		bad = 1
	}
	if (suites != suites_wanted) {
		printf "FAILED kunit (%s): %d suites of %d were run\n", label, suites, suites_wanted
		bad = 1
	} else if (cases != cases_wanted) {
		printf "FAILED kunit (%s): %d cases were run, %d are in the sources\n", label, cases, cases_wanted
		bad = 1
	}
	exit bad
}'
