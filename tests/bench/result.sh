# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# result.sh: for the scripts that read results of run.sh.

# result_check PROGRAM FILE: ends PROGRAM with 1 unless the file is one.
result_check() {
	if [ ! -f "$2" ] || [ ! -r "$2" ]; then
		echo "$1: can't read $2" >&2; exit 1
	fi
	if [ ! -s "$2" ] || ! jq empty "$2" 2> /dev/null; then
		echo "$1: $2 is no JSON" >&2; exit 1
	fi
	jq -es '
	def text: type == "string";
	def number: type == "number";
	length == 1 and (.[0] | type == "object" and .format == 1 and all(.commit, .date, .mode, .kernel, .qemu; text) and
	 (.benches | type == "array" and all(.[]; (.name, .note, .why | text) and (.ok | type == "boolean"))) and
	 (.figures | type == "array" and all(.[]; (.bench, .name, .unit, .bar, .time | text) and (.value | number) and
						 (.bar == "" or (.limit | number)))))' "$2" > /dev/null 2>&1 ||
		{ echo "$1: $2 is no result of a bench run" >&2; exit 1; }
}
