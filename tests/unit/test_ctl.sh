#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: orderedctl without the kernel module: format and dump on image files, what wrong input gets, its
# parsers and printers, the man page's and the completion's agreement with the tool. Built with the sanitizers.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
out=$PWD/build/ctl
cc=${CC:-gcc}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
export LC_ALL=C ASAN_OPTIONS=detect_leaks=1

mkdir -p "$out"
read -ra cflags < <(pkg-config --cflags libnl-genl-3.0 json-c)
read -ra libs < <(pkg-config --libs libnl-genl-3.0 libnl-3.0 devmapper json-c)
if ! make -s -C userspace SAN=1 CC="$cc" O="$out" all "$out/libctl.a" > "$out/build.log" 2>&1 ||
   ! "$cc" -std=gnu11 -O1 -g -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Iuserspace -Idm-ordered "${cflags[@]}" \
	tests/unit/ctl_model.c "$out/libctl.a" -o "$out/ctl_model" \
	"${libs[@]}" >> "$out/build.log" 2>&1; then
	tail -n 5 "$out/build.log" >&2
	echo "FAILED ctl: doesn't build, see $out/build.log"
	exit 1
fi
if grep -E 'warning:' "$out/build.log"; then
	echo "FAILED ctl-build-silent: the compiler warns, see $out/build.log"
	failed=$((failed + 1))
else
	echo "ok ctl-build-silent"
	passed=$((passed + 1))
fi
ctl=$out/orderedctl

ok() { echo "ok $1"; passed=$((passed + 1)); }
bad() { echo "FAILED $1: $2"; failed=$((failed + 1)); }

# expect NAME STATUS TEXT... -- COMMAND...: its exit status, and that each TEXT (a basic regular expression)
# is in its output, or with a ! in front is not. The output is left in $dir/out.
expect() {
	local name=$1 status=$2 rc=0 t; shift 2
	local -a texts=()

	while [ "$1" != -- ]; do texts+=("$1"); shift; done
	shift
	"$@" > "$dir/out" 2>&1 < /dev/null || rc=$?
	if [ "$rc" != "$status" ]; then
		bad "$name" "exit status $rc, not $status: $(head -n 1 "$dir/out")"
		return
	fi
	for t in "${texts[@]}"; do
		if [ "${t:0:1}" = '!' ]; then
			if grep -q -- "${t:1}" "$dir/out"; then
				bad "$name" "says \"${t:1}\": $(head -n 1 "$dir/out")"
				return
			fi
		elif ! grep -q -- "$t" "$dir/out"; then
			bad "$name" "does not say \"$t\" but: $(head -n 1 "$dir/out")"
			return
		fi
	done
	ok "$name"
}

image() { rm -f "$dir/$1"; truncate -s "${2:-8M}" "$dir/$1"; }
fmt() { local i=$1; shift; image "$i"; "$ctl" format --role primary --volume 1:1G "$@" "$dir/$i" > /dev/null; }
damage() { printf 'damage' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
copy0=300 copy1=$((16 * 4096 + 300)) state0=$((32 * 4096 + 100)) state1=$((33 * 4096 + 100))

# ---------------------------------------------------------------- format and dump, there and back

image m
expect format-primary 0 '^uuid [0-9a-f-]\{36\}$' '^peer: orderedctl format --role secondary --uuid ' \
	"'0 2097152 ordered DATA $dir/m 7'" '--volume 7:1G:512' '--volume 8:2M:4096' '--plain' '--cycle-ms 250' \
	'--label db' '! --assume-equal' '! --budget-mib' -- \
	"$ctl" format --role primary --label db --volume 7:1G --volume 8:4096s:4096 --plain --cycle-ms 250 "$dir/m"
peer=$(sed -n 's/^peer: orderedctl //p' "$dir/out")
uuid=$(sed -n 's/^uuid //p' "$dir/out")
expect dump-primary 0 "uuid  *$uuid" 'label  *db' 'role  *primary' 'flags  *plain$' 'cycle_ms  *250' \
	'volume 7  *1.00 GiB (2097152 sectors), logical block 512' 'volume 8 .* logical block 4096' \
	'!generation_id  *0000000000000000' 'verdict  *valid' '!damaged' -- "$ctl" dump "$dir/m"
image s
# shellcheck disable=SC2086 # words
expect format-peer-line 0 "^uuid $uuid" 'role primary' -- "$ctl" ${peer/PEER-META/$dir/s}
expect dump-secondary 0 "uuid  *$uuid" 'role  *secondary' 'flags  *plain,inconsistent' \
	'generation_id  *0000000000000000' 'cycle_ms  *250' -- "$ctl" dump "$dir/s"
image e
expect format-assume-equal 0 '--assume-equal' -- \
	"$ctl" format --role secondary --volume 1:1G --assume-equal "$dir/e"
expect dump-assume-equal 0 'flags  *assume-equal' '!inconsistent' -- "$ctl" dump "$dir/e"
expect dump-json 0 '"role":"primary"' -- "$ctl" dump --json --journal "$dir/m"
if python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert [c["verdict"] for c in d["copies"]] == ["valid", "valid"] and sum(c["chosen"] for c in d["copies"]) == 1
assert d["superblock"]["volumes"][1]["lbs"] == 4096 and d["superblock"]["cycle_ms"] == 250
assert d["states"][0]["committed"] == {"epoch": 0, "n": 0}
assert d["journal_scan"]["chunks"] == [] and d["journal_scan"]["end"]' "$dir/out" 2> "$dir/err"; then
	ok dump-json-content
else
	bad dump-json-content "$(tail -n 1 "$dir/err")"
fi
md5sum < "$dir/m" > "$dir/before"
"$ctl" dump --journal "$dir/m" > /dev/null
if md5sum < "$dir/m" | cmp -s - "$dir/before"; then ok dump-changes-nothing; else bad dump-changes-nothing changed; fi

fmt a; fmt b
if [ "$("$ctl" dump "$dir/a" | grep -E 'uuid|generation_id|tail_seq' | sort -u)" != \
     "$("$ctl" dump "$dir/b" | grep -E 'uuid|generation_id|tail_seq' | sort -u)" ]; then
	ok format-is-random
else
	bad format-is-random "two formats made the same ids"
fi

# ---------------------------------------------------------------- the device to format

expect format-refuses-own 1 "$uuid" 'db' 'primary' '--force' -- "$ctl" format --role primary --volume 1:1G "$dir/m"
fmt f
expect format-force 0 '^uuid' -- "$ctl" format --role secondary --volume 1:1G --force "$dir/f"
damage "$dir/f" $copy0; damage "$dir/f" $copy1
expect format-refuses-own-damaged 1 "can't be used" 'dump' '--force' -- \
	"$ctl" format --role primary --volume 1:1G "$dir/f"
image x; printf '\x53\xef' | dd of="$dir/x" bs=1 seek=1080 conv=notrunc status=none
expect format-refuses-ext 1 'ext2/3/4' '--force' -- "$ctl" format --role primary --volume 1:1G "$dir/x"
image x; printf 'XFSB' | dd of="$dir/x" bs=1 conv=notrunc status=none
expect format-refuses-xfs 1 'XFS' -- "$ctl" format --role primary --volume 1:1G "$dir/x"
image x; printf 'EFI PART' | dd of="$dir/x" bs=1 seek=512 conv=notrunc status=none
expect format-refuses-gpt 1 'GPT' -- "$ctl" format --role primary --volume 1:1G "$dir/x"
expect format-forces-gpt 0 '^uuid' -- "$ctl" format --role primary --volume 1:1G --force "$dir/x"
image x 1M
expect format-too-small 1 'at least' 'larger device' -- "$ctl" format --role primary --volume 1:1G "$dir/x"
expect format-no-device 1 "can't open" 'check the name' -- "$ctl" format --role primary --volume 1:1G "$dir/none"
expect format-directory 1 'directory' -- "$ctl" format --role primary --volume 1:1G "$dir"
expect format-chardev 1 'not a block device' -- "$ctl" format --role primary --volume 1:1G /dev/null

# ---------------------------------------------------------------- wrong options of format

image x
bad_format() { local name=$1 status=$2 text=$3; shift 3; expect "format-$name" "$status" "$text" -- "$ctl" format "$@" "$dir/x"; }
p=(--role primary) v=(--volume 1:1G)
bad_format no-role 2 'role is missing' "${v[@]}"
bad_format wrong-role 2 'primary or secondary' --role third "${v[@]}"
bad_format no-volume 2 'volume is missing' "${p[@]}"
bad_format id-twice 2 'id 1 is given twice' "${p[@]}" "${v[@]}" --volume 1:2G
bad_format id-too-big 2 '0 to 65535' "${p[@]}" --volume 65536:1G
bad_format id-negative 2 'not a number' "${p[@]}" --volume -1:1G
bad_format size-missing 2 'ID:SIZE' "${p[@]}" --volume 5
bad_format size-word 2 'neither a size' "${p[@]}" --volume 1:big
bad_format size-small 2 '1 MiB to 64 TiB' "${p[@]}" --volume 1:1048064
bad_format size-large 2 '1 MiB to 64 TiB' "${p[@]}" --volume 1:65T
bad_format size-odd 2 'not a multiple' "${p[@]}" --volume 1:2000000:4096
bad_format size-no-sector 2 'not a multiple' "${p[@]}" --volume 1:2000001
bad_format volume-no-device 1 "can't open" "${p[@]}" --volume "1:$dir/none"
bad_format volume-is-file 1 'not a block device' "${p[@]}" --volume "1:$dir/m"
bad_format total-too-large 1 '64 TiB' "${p[@]}" --volume 1:40T --volume 2:40T
bad_format cycle-0 2 '1 to 3600000 ms' "${p[@]}" "${v[@]}" --cycle-ms 0
bad_format cycle-large 2 '1 to 3600000 ms' "${p[@]}" "${v[@]}" --cycle-ms 3600001
bad_format cycle-text 2 'not a number' "${p[@]}" "${v[@]}" --cycle-ms 5s
bad_format budget-0 2 '1 to 1048576 MiB' "${p[@]}" "${v[@]}" --budget-mib 0
bad_format link-timeout 2 '100 to 600000 ms' "${p[@]}" "${v[@]}" --link-timeout 99
bad_format uuid 2 'is not a UUID' "${p[@]}" "${v[@]}" --uuid 1234
bad_format uuid-zero 2 'is not a UUID' "${p[@]}" "${v[@]}" --uuid 00000000-0000-0000-0000-000000000000
bad_format label-blank 2 "can't be a label" "${p[@]}" "${v[@]}" --label 'a b'
bad_format label-path 2 "can't be a label" "${p[@]}" "${v[@]}" --label /dev/sda
bad_format label-long 2 "can't be a label" "${p[@]}" "${v[@]}" --label "$(printf 'x%.0s' {1..64})"
bad_format label-uuid 2 "can't be a label" "${p[@]}" "${v[@]}" --label "$uuid"
bad_format two-devices 2 'one metadata device' "${p[@]}" "${v[@]}" "$dir/m"
bad_format unknown-option 2 '--frob' "${p[@]}" --frob
expect format-no-value 2 "needs a value" -- "$ctl" format "${p[@]}" "${v[@]}" "$dir/x" --label
# shellcheck disable=SC2046 # words
bad_format 257-volumes 2 'at most 256' "${p[@]}" $(printf -- '--volume %d:1M ' {0..256})
if [ "$(tr -d '\0' < "$dir/x" | wc -c)" = 0 ]; then ok refusals-write-nothing; else bad refusals-write-nothing "the image changed"; fi
# shellcheck disable=SC2046 # words
expect format-256-volumes 0 "'0 2048 ordered DATA $dir/x 255'" -- \
	"$ctl" format "${p[@]}" $(printf -- '--volume %d:1M ' {0..255}) "$dir/x"

# ---------------------------------------------------------------- damage

fmt d; damage "$dir/d" $copy0
expect dump-copy0-damaged 0 'verdict  *damaged' 'checksum' 'verdict  *valid' 'role  *primary' -- "$ctl" dump "$dir/d"
fmt d; damage "$dir/d" $copy1
expect dump-copy1-damaged 0 'verdict  *damaged' 'role  *primary' -- "$ctl" dump "$dir/d"
damage "$dir/d" $copy0
expect dump-both-damaged 1 'verdict  *damaged' '!verdict  *valid' '!role' 'checksum' -- "$ctl" dump --journal "$dir/d"
fmt d; damage "$dir/d" $state0
expect dump-state0-damaged 0 'state block: checksum' -- "$ctl" dump "$dir/d"
damage "$dir/d" $state1
expect dump-states-damaged 1 'neither state block' 'not scanned' -- "$ctl" dump --journal "$dir/d"
fmt d; truncate -s 4M "$dir/d"
expect dump-truncated 1 'truncated' '1024' '2048' -- "$ctl" dump "$dir/d"
fmt d; truncate -s 5000 "$dir/d"
expect dump-cut-off 1 'damaged' -- "$ctl" dump "$dir/d"
image d
expect dump-unformatted 1 'unformatted' 'format it' -- "$ctl" dump "$dir/d"
head -c 1M /dev/urandom > "$dir/d"
expect dump-foreign 1 'holds something else' -- "$ctl" dump "$dir/d"
: > "$dir/d"
expect dump-empty 1 'unformatted' -- "$ctl" dump "$dir/d"
fmt d; "$out/ctl_model" newer "$dir/d"
expect dump-newer 1 'verdict  *newer' 'format version is 2' 'newer software' -- "$ctl" dump "$dir/d"
expect format-refuses-newer 1 'primary' '--force' -- "$ctl" format "${p[@]}" "${v[@]}" "$dir/d"
fmt a; fmt d; dd if="$dir/a" of="$dir/d" bs=4096 count=8 conv=notrunc status=none
expect dump-two-sessions 1 'different sessions' -- "$ctl" dump "$dir/d"
expect dump-no-file 1 "can't open" -- "$ctl" dump "$dir/none"
expect dump-usage 2 'usage:' -- "$ctl" dump

# ---------------------------------------------------------------- journal

fmt j; "$out/ctl_model" journal "$dir/j"
expect dump-journal 0 'chunk 0.7 committed: of 2023-11-14T22:13:20.000Z, blocks 0 to 4 (16.0 KiB)' \
	'chunk 0.8 complete: .* blocks 5 to 9' '!chunk 0.9' 'nr_chunks  *2' 'committed  *0.7' \
	'end  *block 9: data checksum' -- "$ctl" dump --journal "$dir/j"
expect dump-journal-json 0 '"committed":true' '"bytes":16384' -- "$ctl" dump --journal --json "$dir/j"
"$ctl" format --role primary --volume 1:1G --force \
	--uuid "$("$ctl" dump "$dir/j" | sed -n 's/^  uuid  *//p')" "$dir/j" > /dev/null
expect reformat-forgets-journal 0 'nr_chunks  *0' -- "$ctl" dump --journal "$dir/j"

# ---------------------------------------------------------------- the others, without a module

expect no-arguments 2 'usage: orderedctl COMMAND' -- "$ctl"
expect help 0 'usage: orderedctl COMMAND' 'promote' -- "$ctl" help
expect help-command 0 'orderedctl drain SESSION' -- "$ctl" help drain
expect command-help 0 'orderedctl drain SESSION' -- "$ctl" drain --help
expect version 0 '^orderedctl [0-9.]* (metadata format 1, netlink version 1)$' -- "$ctl" --version
expect unknown-command 2 'no command "frob"' -- "$ctl" frob
expect help-unknown-command 2 'no command "frob"' -- "$ctl" help frob
expect set-nothing 2 'say what to set' -- "$ctl" set x
expect set-range 2 '1 to 3600000 ms' -- "$ctl" set x --cycle-ms 0
expect set-budget-range 2 '1 to 1048576 MiB' -- "$ctl" set x --budget-mib 1048577
expect connect-usage 2 'usage: orderedctl connect' -- "$ctl" connect x
expect connect-port 2 '1 to 65535' -- "$ctl" connect x host:0
expect connect-no-port 2 'not HOST:PORT' -- "$ctl" connect x host
expect listen-port 2 '1 to 65535' -- "$ctl" listen x 65536
expect drain-timeout 2 '1 to 86400 seconds' -- "$ctl" drain x --timeout 0
expect watch-seconds 2 '1 to 86400 seconds' -- "$ctl" status --watch=0
expect remove-usage 2 'usage: orderedctl remove' -- "$ctl" remove
expect remove-both 2 'usage: orderedctl remove' -- "$ctl" remove a --session b
expect create-no-meta 2 'meta is missing' -- "$ctl" create x --volume 1 --data /dev/x
expect create-no-volume 2 'volume is missing' -- "$ctl" create x --meta m --data /dev/x
expect create-no-data 2 'data is missing' -- "$ctl" create x --meta m --volume 1
expect create-no-name 2 'NAME' -- "$ctl" create --meta m --volume 1 --data /dev/x
expect create-map-form 2 'not ID=DATA,NAME' -- "$ctl" create --meta m --map 1=/dev/x
expect create-map-and-name 2 'takes the place' -- "$ctl" create --meta m --map 1=/dev/x,a b
if [ ! -d /sys/module/dm_ordered ]; then
	expect status-no-module 1 'modprobe dm-ordered' -- "$ctl" status
	expect monitor-no-module 1 'modprobe dm-ordered' -- "$ctl" monitor
	expect drain-no-module 1 'modprobe dm-ordered' -- "$ctl" drain x
fi
if [ -w /dev/full ]; then expect full-disk 1 "can't write" -- bash -c "'$ctl' help create > /dev/full; '$ctl' dump '$dir/m' > /dev/full"; fi

# ---------------------------------------------------------------- inner parts

while read -r verdict name why; do
	case $verdict in
	ok) ok "$name" ;;
	FAILED) bad "${name%:}" "$why" ;;
	esac
done < <("$out/ctl_model" unit "$dir" 2> "$dir/err"; rc=$?; [ $rc -le 1 ] || echo "FAILED ctl_model: exit status $rc, $(tail -n 1 "$dir/err")")

expect pretty 0 'session .*8f3c0304.*"db"' 'role  *primary, disconnected, INCONSISTENT' 'plain links allowed' \
	'blocked  *there is no link to the peer, for 1 min 1 s; make one with "orderedctl connect"' \
	'lag  *1.50 s' 'cuts  *made 2.17, restored 2.17' 'active .*5 blocks in memory.*at most 20.0 KiB' \
	'metadata  *no-such-device (7:1)' 'budget 256 MiB' 'volume  *1, data, active: yes, 10.0 MiB' -- \
	"$out/ctl_model" print pretty
expect json 0 '"role":"secondary"' -- "$out/ctl_model" print json
if python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
a, b = d
assert a["cut"] == {"epoch": 2, "n": 17} and a["cut_committed"] is None and a["lag_ms"] == 1500
assert a["chunk_active"]["slots"] == 5 and a["chunk_active"]["state"] == "active" and b["chunk_active"] is None
assert a["plain"] is True and a["assume_equal"] is False and a["block"] == "no-link" and a["generation"] == "0000000000abcdef"
assert a["volumes"][0]["sectors"] == 20480 and a["block_remedy"] and list(a) == list(b)' "$dir/out" 2> "$dir/err"; then
	ok json-content
else
	bad json-content "$(tail -n 1 "$dir/err")"
fi
"$out/ctl_model" print dump > "$dir/dump"
want=$(($("$ctl" complete fields | grep -c '^session') + 1))
if [ "$(awk -F'\t' -v w="$want" '/^session/ && NF == w' "$dir/dump" | wc -l)" = 2 ]; then ok dump-columns; else bad dump-columns "not $want columns"; fi
want=$(($("$ctl" complete fields | grep -c '^volume') + 1))
if [ "$(awk -F'\t' -v w="$want" '/^volume/ && NF == w' "$dir/dump" | wc -l)" = 2 ]; then ok dump-volume-columns; else bad dump-volume-columns "not $want columns"; fi

expect pick-ambiguous-label 1 'fits several sessions' '  primary  *7:1' '  secondary  *7:2' -- "$out/ctl_model" pick db
expect pick-ambiguous-uuid 1 'fits several sessions' -- "$out/ctl_model" pick 8f3c0304-0506-0708-090a-000000000000
expect pick-device 0 '^7:2$' -- "$out/ctl_model" pick 7:2
expect pick-unknown-label 1 'no active session has the label "none"' -- "$out/ctl_model" pick none
expect pick-unknown-uuid 1 'no active session has the UUID' -- "$out/ctl_model" pick "$uuid"
expect pick-file 1 'not a block device' -- "$out/ctl_model" pick "$dir/m"

# ---------------------------------------------------------------- man page, completion

man=userspace/man/orderedctl.8
sed 's/\\-/-/g' $man > "$dir/man"
missing=
for c in $("$ctl" complete commands); do
	grep -q "^\.B.* *$c\b" "$dir/man" || missing="$missing $c"
	for o in $("$ctl" complete options "$c"); do
		grep -q -e "${o%=}\b" "$dir/man" || missing="$missing $c:${o%=}"
	done
done
if [ -z "$missing" ]; then ok man-has-all-options; else bad man-has-all-options "lacks$missing"; fi
sed -n '/^\.." fields-begin/,/^\.." fields-end/s/^\.B //p' "$dir/man" > "$dir/man-fields"
"$ctl" complete fields | cut -f2 > "$dir/tool-fields"
if cmp -s "$dir/man-fields" "$dir/tool-fields"; then
	ok man-fields-in-order
else
	bad man-fields-in-order "$(diff "$dir/man-fields" "$dir/tool-fields" | sed -n 2p)"
fi
if command -v man > /dev/null; then
	expect man-renders 0 '!.' -- bash -c "MANWIDTH=80 man --warnings -l -E UTF-8 $man > /dev/null"
else
	echo "SKIPPED man-renders: there is no man"
fi
# shellcheck disable=SC1091
if (PATH=$out:$PATH; . userspace/completion/orderedctl; COMP_WORDS=(orderedctl pro); COMP_CWORD=1; _orderedctl
	[ "${COMPREPLY[*]}" = promote ] || exit 1
	COMP_WORDS=(orderedctl set x --cy); COMP_CWORD=3; _orderedctl; [ "${COMPREPLY[*]}" = --cycle-ms= ] || exit 1
	COMP_WORDS=(orderedctl format --role sec); COMP_CWORD=3; _orderedctl; [ "${COMPREPLY[*]}" = secondary ]) 2> /dev/null; then
	ok completion
else
	bad completion "wrong proposals"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
