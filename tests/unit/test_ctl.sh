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
read -ra cflags < <(pkg-config --cflags libnl-genl-3.0 json-c blkid)
read -ra libs < <(pkg-config --libs libnl-genl-3.0 libnl-3.0 devmapper json-c blkid)
if ! make -s -C userspace SAN=1 CC="$cc" O="$out" all > "$out/build.log" 2>&1 ||
   ! "$cc" -std=gnu11 -O1 -g -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Iuserspace -Idm-ordered "${cflags[@]}" \
	tests/unit/ctl_model.c "$out"/obj/orderedctl/{kernel,print,say,session}.o "$out/libordered.a" -o "$out/ctl_model" \
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
fmt() { local i=$1; shift; image "$i"; "$ctl" format --plain --role primary --volume 1:1G "$@" "$dir/$i" > /dev/null; }
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
	'activation  *0000000000000000' 'verdict  *valid' '!damaged' -- "$ctl" dump "$dir/m"
image s
# shellcheck disable=SC2086 # words
expect format-peer-line 0 "^uuid $uuid" 'role primary' -- "$ctl" ${peer/PEER-META/$dir/s}
expect dump-secondary 0 "uuid  *$uuid" 'role  *secondary' 'flags  *plain,inconsistent' \
	'activation  *0000000000000000' 'cycle_ms  *250' -- "$ctl" dump "$dir/s"
image e
expect format-assume-equal 0 '--assume-equal' -- \
	"$ctl" format --plain --role secondary --volume 1:1G --assume-equal "$dir/e"
expect dump-assume-equal 0 'flags  *plain,assume-equal' '!inconsistent' -- "$ctl" dump "$dir/e"
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
if [ "$("$ctl" dump "$dir/a" | grep -E 'uuid|tail_seq' | sort -u)" != \
     "$("$ctl" dump "$dir/b" | grep -E 'uuid|tail_seq' | sort -u)" ]; then
	ok format-is-random
else
	bad format-is-random "two formats made the same ids"
fi

# ---------------------------------------------------------------- the device to format

expect format-refuses-own 1 "$uuid" 'db' 'primary' '--force' -- "$ctl" format --plain --role primary --volume 1:1G "$dir/m"
fmt f
expect format-force 0 '^uuid' -- "$ctl" format --plain --role secondary --volume 1:1G --force "$dir/f"
damage "$dir/f" $copy0; damage "$dir/f" $copy1
expect format-refuses-own-damaged 1 "can't be used" 'dump' '--force' -- \
	"$ctl" format --plain --role primary --volume 1:1G "$dir/f"
# What others put on a disk, as mkfs or, where that isn't here, as its few bytes that tell it.
foreign() {	# NAME TEXT SIZE COMMAND...
	local name=$1 text=$2; image x "$3"; shift 3

	"$@" > "$dir/made" 2>&1 || { bad "format-refuses-$name" "can't make it: $(tail -n 1 "$dir/made")"; return; }
	expect "format-refuses-$name" 1 "holds .*$text" '--force' -- "$ctl" format --plain --role primary --volume 1:1G "$dir/x"
}
at() {	# OFFSET BYTES [OFFSET BYTES...]
	while [ $# -gt 0 ]; do
		printf '%b' "$2" | dd of="$dir/x" bs=1 seek="$1" conv=notrunc status=none || return
		shift 2
	done
}
zfs() {
	local i

	for i in $(seq 0 31); do at $((131072 + i * 1024)) '\x0c\xb1\xba\x00\x00\x00\x00\x00\x88\x13\x00\x00\x00\x00\x00\x00'; done
}
foreign ext4 'ext4' 8M mkfs.ext4 -qF "$dir/x"
foreign xfs 'xfs' 320M mkfs.xfs -q "$dir/x"
foreign btrfs 'btrfs' 128M mkfs.btrfs -q "$dir/x"
foreign swap 'swap' 8M mkswap "$dir/x"
foreign gpt 'gpt' 8M sh -c "echo label: gpt | sfdisk -q $dir/x"
foreign zfs 'zfs_member' 80M zfs
foreign oracle-asm 'oracleasm' 8M at 32 'ORCLDISK'
foreign bluestore 'ceph_bluestore' 8M at 0 'bluestore block device'
foreign vdo 'vdo' 8M at 0 'dmvdo001'
foreign ocfs2 'ocfs2' 32M at 2048 'OCFSV2'
foreign iso9660 'iso9660' 8M at 32768 '\x01CD001\x01' 34816 '\xffCD001\x01'
foreign drbd 'drbd' 8M at $((8 * 1048576 - 4096 + 60)) '\x83\x74\x02\x6b'
foreign luks 'crypto_LUKS' 32M sh -c "printf x | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $dir/x -"
foreign lvm 'LVM2_member' 8M sh -c "at() { :; }; printf 'LABELONE\\001\\0\\0\\0\\0\\0\\0\\0' | dd of=$dir/x bs=1 seek=512 conv=notrunc; printf '\\040\\0\\0\\0LVM2 001' | dd of=$dir/x bs=1 seek=532 conv=notrunc"
image x; "$ctl" format --plain --role primary --volume 1:1G "$dir/x" > /dev/null; sfdisk -q --force --no-reread "$dir/x" <<< 'label: gpt' > /dev/null 2>&1
expect format-forces-gpt 0 '^uuid' -- "$ctl" format --plain --role primary --volume 1:1G --force "$dir/x"
# and what others see of ours
expect ours-wipefs 0 'dos' -- wipefs --no-act "$dir/x"
expect ours-no-gpt 0 '!gpt' -- wipefs --no-act "$dir/x"
expect ours-blkid 0 'PTTYPE="dos"' -- blkid -p "$dir/x"
expect ours-mkfs-xfs 1 'appears to contain' -- mkfs.xfs "$dir/x"
expect format-no-plain 2 'plain is missing' 'protected network' -- "$ctl" format --role primary --volume 1:1G "$dir/y"
image x; mkfs.ext4 -qF "$dir/x"
expect dump-data-device 1 'ext4' 'did you exchange --meta and --data' -- "$ctl" dump "$dir/x"
image x 1M
expect format-too-small 1 'at least' 'larger device' -- "$ctl" format --plain --role primary --volume 1:1G "$dir/x"
expect format-no-device 1 "can't open" 'check the name' -- "$ctl" format --plain --role primary --volume 1:1G "$dir/none"
expect format-directory 1 'directory' -- "$ctl" format --plain --role primary --volume 1:1G "$dir"
expect format-chardev 1 'not a block device' -- "$ctl" format --plain --role primary --volume 1:1G /dev/null

# ---------------------------------------------------------------- wrong options of format

image x
bad_format() { local name=$1 status=$2 text=$3; shift 3; expect "format-$name" "$status" "$text" -- "$ctl" format "$@" "$dir/x"; }
p=(--plain --role primary) v=(--volume 1:1G)
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
bad_format size-decimal 2 "not a multiple" "${p[@]}" --volume 1:10MB:4096
bad_format size-no-sector 2 'not a multiple' "${p[@]}" --volume 1:2000001
bad_format volume-no-device 1 "can't open" "${p[@]}" --volume "1:$dir/none"
bad_format volume-is-file 1 'not a block device' "${p[@]}" --volume "1:$dir/m"
bad_format total-too-large 1 '64 TiB' "${p[@]}" --volume 1:40T --volume 2:40T
bad_format cycle-0 2 '1 to 3600000 ms' "${p[@]}" "${v[@]}" --cycle-ms 0
bad_format cycle-large 2 '1 to 3600000 ms' "${p[@]}" "${v[@]}" --cycle-ms 3600001
bad_format cycle-text 2 'not a time; give a number of ms' "${p[@]}" "${v[@]}" --cycle-ms 5x
bad_format budget-text 2 'not a number of MiB' "${p[@]}" "${v[@]}" --budget-mib much
bad_format budget-0 2 '1 to 1048576 MiB' "${p[@]}" "${v[@]}" --budget-mib 0
bad_format link-timeout 2 '100 to 600000 ms' "${p[@]}" "${v[@]}" --link-timeout 99
bad_format uuid 2 'is not a UUID' "${p[@]}" "${v[@]}" --uuid 1234
bad_format uuid-zero 2 'is not a UUID' "${p[@]}" "${v[@]}" --uuid 00000000-0000-0000-0000-000000000000
bad_format label-blank 2 "can't be a label" "${p[@]}" "${v[@]}" --label 'a b'
bad_format label-path 2 "can't be a label" "${p[@]}" "${v[@]}" --label /dev/sda
bad_format label-long 2 "can't be a label" "${p[@]}" "${v[@]}" --label "$(printf 'x%.0s' {1..64})"
bad_format label-uuid 2 "can't be a label" "${p[@]}" "${v[@]}" --label "$uuid"
bad_format two-devices 2 'one argument too many' "${p[@]}" "${v[@]}" "$dir/m"
bad_format unknown-option 2 'no option "--frob" here$' "${p[@]}" --frob
bad_format label-twice 2 '--label is given twice' "${p[@]}" "${v[@]}" --label a --label a
expect format-no-value 2 "needs a value" -- "$ctl" format "${p[@]}" "${v[@]}" "$dir/x" --label
# shellcheck disable=SC2046 # words
bad_format 257-volumes 2 'at most 256' "${p[@]}" $(printf -- '--volume %d:1M ' {0..256})
if [ "$(tr -d '\0' < "$dir/x" | wc -c)" = 0 ]; then ok refusals-write-nothing; else bad refusals-write-nothing "the image changed"; fi
# shellcheck disable=SC2046 # words
expect format-256-volumes 0 "'0 2048 ordered DATA $dir/x 255'" -- \
	"$ctl" format "${p[@]}" $(printf -- '--volume %d:1M ' {0..255}) "$dir/x"

# ---------------------------------------------------------------- how large

expect size-outage 0 '^metadata  *6071M, at each side' '^largest chunk  *2.96 GiB' '^outage  *10 min 0 s at 5.00 MiB/s, cycles of 1.00 s' \
	'counts in units of 8.00 KiB.* with --budget-mib 257 units are of 4 KiB' -- \
	"$ctl" size --volumes 1T --rate 5M --outage 10m
expect size-meta 0 '^outage  *10 min 0 s' -- "$ctl" size --volumes 1T --rate 5M --meta 6071M
expect size-meta-less 0 '^outage  *9 min 59 s' -- "$ctl" size --volumes 1T --rate 5M --meta 6070M
expect size-all 0 '^outage  *any: all the volumes fit' '!counts in units' -- "$ctl" size --volumes 1G --volumes 512M --rate 1G --outage 1d
# it is what format says of a device so large, and a secondary of the primary's chunks
all=
for a in '1T 5M 10m 1s' '64T 1M 10s 1s' '2G 100Mbit 30s 100ms' '700M 2MB 5m 1h' '10G 1k 1s 1s' '37G 3M 1000s 20s'; do
	read -r vol rate outage cycle <<< "$a"
	"$ctl" size --volumes "$vol" --rate "$rate" --outage "$outage" --cycle "$cycle" > "$dir/size" 2> /dev/null || all+=" $a fails"
	meta=$(sed -n 's/^metadata *\([0-9]*[MG]\),.*/\1/p' "$dir/size")
	image z "$meta"
	"$ctl" format --plain --role secondary --volume "1:$vol" --rate "$rate" --cycle-ms "$cycle" "$dir/z" > "$dir/out" || all+=" $a: no format"
	said=$(sed -n 's/^largest chunk  *//p' "$dir/size")
	grep -q "^largest chunk $said: " "$dir/out" || all+=" $a: $said, but $(grep ^largest "$dir/out")"
done
if [ -z "$all" ]; then ok size-is-what-format-lays-out; else bad size-is-what-format-lays-out "$all"; fi
rm -f "$dir/z"
expect size-no-outage 2 'outage is missing' -- "$ctl" size --volumes 1G --rate 1M
expect size-both 2 '--meta does not go together with --outage' -- "$ctl" size --volumes 1G --rate 1M --outage 5 --meta 3M
expect size-no-volume 2 'volumes is missing' -- "$ctl" size --rate 1M --outage 5
expect size-bad-volume 2 'neither a size nor a path' -- "$ctl" size --volumes much --rate 1M --outage 5
expect size-large 2 '1 MiB to 64 TiB, all volumes together' -- "$ctl" size --volumes 40T --volumes 40T --rate 1M --outage 5
expect size-bad-rate 2 'not a rate; say for example 5M' -- "$ctl" size --volumes 1G --rate 0 --outage 5
expect size-meta-small 1 'at least .* KiB are needed' -- "$ctl" size --volumes 64T --rate 1M --meta 1M
expect size-nothing-fits 0 'not even two cycles of 1.00 s' -- "$ctl" size --volumes 1G --rate 1G --meta 4M
expect size-budget 1 'budget.* set at least 9 MiB' -- "$ctl" size --volumes 4T --rate 1M --outage 5 --budget-mib 7
image x
bad_format budget-for-volumes 1 'set at least 9 MiB (--budget-mib)' "${p[@]}" --volume 1:4T --budget-mib 7

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
expect dump-unformatted 1 'unformatted' 'were the two exchanged' 'orderedctl format' -- "$ctl" dump "$dir/d"
head -c 1M /dev/urandom > "$dir/d"
expect dump-foreign 1 'something else' -- "$ctl" dump "$dir/d"
: > "$dir/d"
expect dump-empty 1 'unformatted' -- "$ctl" dump "$dir/d"
fmt d; "$out/ctl_model" newer "$dir/d"
expect dump-newer 1 'verdict  *unsupported' 'format version is 3' 'newer software' -- "$ctl" dump "$dir/d"
expect format-refuses-newer 1 'primary' '--force' -- "$ctl" format "${p[@]}" "${v[@]}" "$dir/d"
fmt d; "$out/ctl_model" older "$dir/d"
expect dump-older 1 'verdict  *unsupported' 'format version is 1' 'format both metadata devices again' -- "$ctl" dump "$dir/d"
expect format-refuses-older 1 'primary' '--force' -- "$ctl" format "${p[@]}" "${v[@]}" "$dir/d"
expect format-forced-over-older 0 '^uuid' -- "$ctl" format --force "${p[@]}" "${v[@]}" "$dir/d"
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
"$ctl" format --plain --role primary --volume 1:1G --force \
	--uuid "$("$ctl" dump "$dir/j" | sed -n 's/^  uuid  *//p')" "$dir/j" > /dev/null
expect reformat-forgets-journal 0 'nr_chunks  *0' -- "$ctl" dump --journal "$dir/j"

# ---------------------------------------------------------------- the others, without a module

expect no-arguments 2 'usage: orderedctl COMMAND' -- "$ctl"
expect help 0 'usage: orderedctl COMMAND' 'promote' -- "$ctl" help
expect help-command 0 'orderedctl drain SESSION' '--timeout TIME' 'how long to wait.*(1s to 1d)' -- "$ctl" help drain
expect command-help 0 'orderedctl drain SESSION' -- "$ctl" drain --help
expect help-behind 0 'orderedctl drain SESSION' -- "$ctl" drain x --frob --timeout 0 --help
expect help-letter 0 'orderedctl drain SESSION' -- "$ctl" drain x -h
expect help-no-option 2 'one argument too many' -- "$ctl" drain x -- --help
expect help-two 2 'give one command' -- "$ctl" help drain set
expect version 0 '^orderedctl [0-9.]* (metadata format 1, netlink version 1)$' -- "$ctl" --version
expect version-letter 0 '^orderedctl [0-9.]* (' -- "$ctl" -V
expect version-behind 0 '^orderedctl [0-9.]* (' -- "$ctl" drain --version
expect unknown-command 2 'no command "frob"; "orderedctl help"' '!did you mean' -- "$ctl" frob
expect command-slip 2 'no command "drian"; did you mean "drain"?' -- "$ctl" drian x
expect command-beginning 2 'did you mean "disconnect"?' -- "$ctl" disc x
expect option-first 2 'comes behind a command' -- "$ctl" --json status
expect option-beginning 2 'no option "--forc" here; did you mean --force?' -- "$ctl" promote x --forc
expect option-slip 2 'did you mean --cycle-ms?' -- "$ctl" set x --cycel-ms=5
expect option-one-dash 2 'no option "-json" here; did you mean --json?' -- "$ctl" status -json
expect option-bundled 2 'no option "-xj": ' -- "$ctl" status --watch -xj --json
expect option-letter 2 'no option "-j": ' -- "$ctl" status -j
expect option-of-another 2 'no option "--label" here' -- "$ctl" promote x --label
expect option-twice 2 '--force is given twice' -- "$ctl" promote --force x --force
expect option-twice-value 2 '--timeout is given twice' -- "$ctl" drain x --timeout 3 --timeout=3
expect option-no-value 2 '--timeout needs a value, TIME' -- "$ctl" drain x --timeout
expect option-for-value 2 '--meta needs a value, META; "--volume" is the next' -- "$ctl" create x --meta --volume 1
expect option-value-to-flag 2 '--json takes no value' -- "$ctl" status --json=yes
expect option-empty 2 'session: nothing is given; give SESSION' -- "$ctl" remove --session=
expect operand-empty 2 'SESSION is empty' -- "$ctl" drain ''
expect operand-missing 2 'drain: SESSION is missing' -- "$ctl" drain
expect operand-too-many 2 '"y" is one argument too many' -- "$ctl" drain x y
expect help-unknown-command 2 'no command "frob"' -- "$ctl" help frob
expect set-nothing 2 'say what to set' -- "$ctl" set x
expect set-range 2 '1 to 3600000 ms' -- "$ctl" set x --cycle-ms 0
expect set-budget-range 2 '1 to 1048576 MiB' -- "$ctl" set x --budget-mib 1048577
expect connect-usage 2 'usage: orderedctl connect' -- "$ctl" connect x
expect connect-port 2 '1 to 65535' -- "$ctl" connect x host:0
expect connect-no-port 2 'not HOST:PORT' -- "$ctl" connect x host
expect listen-port 2 '1 to 65535' -- "$ctl" listen x 65536
expect wait-goal 2 '"more" is nothing to wait for: link, copied' -- "$ctl" wait x more
expect max-lag-alone 2 '--check is missing; it belongs to --max-lag' -- "$ctl" status --max-lag 3
expect drain-timeout 2 '1 to 86400 seconds' -- "$ctl" drain x --timeout 0
expect drain-time 2 '"1w" is not a time; give a number of seconds' -- "$ctl" drain x --timeout 1w
expect drain-long 2 '1.5d is out of range; give 1 to 86400 seconds' -- "$ctl" drain x --timeout 1.5d
expect status-two-ways 2 '--dump does not go together with --json' -- "$ctl" status --json --dump
expect check-and-json 3 '--check does not go together with --json' '^ORDERED UNKNOWN - status: ' -- "$ctl" status --json --check
expect check-usage 3 '^ORDERED UNKNOWN - .*no option "--max-lga" here; did you mean --max-lag?' -- "$ctl" status --check --max-lga 3
expect check-range 3 '^ORDERED UNKNOWN - --max-lag: 0 is out of range; give 1 to 86400 seconds' -- "$ctl" status --max-lag 0 --check
expect watch-seconds 2 '1 to 86400 seconds' -- "$ctl" status --watch=0
expect watch-two-words 1 'write --watch=5' -- "$ctl" status --watch 5
expect remove-usage 2 'usage: orderedctl remove' -- "$ctl" remove
expect remove-both 2 'usage: orderedctl remove' -- "$ctl" remove a --session b
expect create-no-meta 2 'meta is missing' -- "$ctl" create x --volume 1 --data /dev/x
expect create-no-volume 2 'volume is missing' -- "$ctl" create x --meta m --data /dev/x
expect create-no-data 2 'data is missing' -- "$ctl" create x --meta m --volume 1
expect create-no-name 2 'NAME is missing' -- "$ctl" create --meta m --volume 1 --data /dev/x
expect create-map-form 2 'not ID=DATA,NAME' -- "$ctl" create --meta m --map 1=/dev/x
expect create-map-and-name 2 'NAME does not go together with --map' -- "$ctl" create --meta m --map 1=/dev/x,a b
expect create-map-id 2 'id: "x" is not a number' -- "$ctl" create --meta m --map x=/dev/x,a
expect create-volume-range 2 '--volume: 65536 is out of range; give 0 to 65535' -- "$ctl" create a --meta m --volume 65536
if [ ! -d /sys/module/dm_ordered ]; then
	expect status-no-module 1 "not loaded, and the kernel, $(uname -r), could not load it" 'modprobe dm-ordered' -- "$ctl" status
	expect monitor-no-module 1 'modprobe dm-ordered' -- "$ctl" monitor
	expect drain-no-module 1 'modprobe dm-ordered' -- "$ctl" drain x
	expect check-no-module 3 '^ORDERED UNKNOWN - ' -- "$ctl" status --check
	expect wait-no-module 1 'modprobe dm-ordered' -- "$ctl" wait x link
fi
expect broken-pipe 0 '^status 0$' '!orderedctl' -- bash -c "{ sleep 0.2; '$ctl' dump --json '$dir/m'; echo status \$? >&2; } | true"
expect broken-pipe-keeps-status 0 '^status 1$' '!write the output' -- bash -c "{ sleep 0.2; '$ctl' dump '$dir/d'; echo status \$? >&2; } | true"
expect closed-output 1 "can't write" -- bash -c "'$ctl' help >&-"
if [ -w /dev/full ]; then expect full-disk 1 "can't write" -- bash -c "'$ctl' help create > /dev/full && exit 9; '$ctl' dump '$dir/m' > /dev/full"; fi

# ---------------------------------------------------------------- inner parts

while read -r verdict name why; do
	case $verdict in
	ok) ok "$name" ;;
	FAILED) bad "${name%:}" "$why" ;;
	esac
done < <("$out/ctl_model" unit "$dir" 2> "$dir/err"; rc=$?; [ $rc -le 1 ] || echo "FAILED ctl_model: exit status $rc, $(tail -n 1 "$dir/err")")

expect pretty 0 '^db  primary -> -  disconnected  RPO 1.50 s  CRITICAL$' '^db  secondary <- -  disconnected  NOT promotable  CRITICAL$' \
	'session .*8f3c0304.*"db"' 'role  *primary, disconnected, INCONSISTENT' 'plain links allowed' \
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
assert a["plain"] is True and a["assume_equal"] is False and a["block"] == "no-link" and a["activation"] == "0000000000abcdef"
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

expect event-text 0 '^2023-11-14T22:13:20.123Z commit 00000000-.* 7:1 cut=0.9$' \
	'^2023-11-14T22:13:20.123Z lost: the kernel had more events' 'orderedctl status' -- "$out/ctl_model" event text
expect event-json 0 '"event":"commit"' -- "$out/ctl_model" event json
if python3 -c '
import json, sys
a, b = [json.loads(line) for line in open(sys.argv[1])]
assert list(a) == list(b) == ["time_ns", "event", "uuid", "meta_major", "meta_minor", "cut", "seq", "volume", "reason"]
assert a["cut"] == {"epoch": 0, "n": 9} and a["seq"] is None and a["reason"] is None and a["meta_major"] == 7
assert b["event"] == "lost" and b["reason"] and b["time_ns"] == 1700000000123456789
assert all(b[k] is None for k in b if k not in ("event", "reason", "time_ns"))' "$dir/out" 2> "$dir/err"; then
	ok event-json-content
else
	bad event-json-content "$(tail -n 1 "$dir/err")"
fi

expect pick-ambiguous-label 1 'fits several sessions' '  primary  *7:1' '  secondary  *7:2' -- "$out/ctl_model" pick db
expect pick-ambiguous-uuid 1 'fits several sessions' -- "$out/ctl_model" pick 8f3c0304-0506-0708-090a-000000000000
expect pick-device 0 '^7:2$' -- "$out/ctl_model" pick 7:2
expect pick-unknown-label 1 'no active session has the label "none"' -- "$out/ctl_model" pick none
expect pick-volume 1 '"data" is a volume; its session is db (primary on' -- "$out/ctl_model" pick data
expect pick-unknown-uuid 1 'no active session has the UUID' -- "$out/ctl_model" pick "$uuid"
expect pick-file 1 'not a block device' -- "$out/ctl_model" pick "$dir/m"

# ---------------------------------------------------------------- man page, completion

man=$out/orderedctl.8
sed 's/\\f[BIR]//g; s/\\-/-/g' "$man" > "$dir/man"
missing=
for c in $("$ctl" complete commands); do
	[ "$c" != help ] || continue
	grep -q "^$c\( \|$\)" "$dir/man" || missing="$missing $c"
	for o in $("$ctl" complete options "$c"); do
		sed -n "/^$c\( \|$\)/,/^\.RE/p" "$dir/man" | grep -q -e "^--$o\( \|\[\|$\)" || missing="$missing $c:$o"
		"$ctl" help "$c" | grep -q -e "^  --$o\( \|\[\|$\)" || missing="$missing help $c:$o"
		"$ctl" complete words "$c" -- | grep -q -e "^--$o=\?$" || missing="$missing completion $c:$o"
	done
done
if grep '^@' "$man" > /dev/null; then missing="$missing places to fill"; fi
if [ -z "$missing" ]; then ok man-has-all-options; else bad man-has-all-options "lacks$missing"; fi
# one word for each thing: what usage lines call for is explained
words=$(for c in $("$ctl" complete commands); do [ "$c" = help ] || "$ctl" help "$c" | awk '/^    [a-z]/ { exit } 1'; done |
	grep -oE '\b[A-Z]{2,}\b' | sort -u)
missing=
for w in $words; do "$ctl" help | grep -q "^  $w " || missing="$missing $w"; done
if [ -z "$missing" ] && [ -n "$words" ]; then ok one-word-each; else bad one-word-each "help does not explain$missing"; fi
sed -n '/^\.." fields-begin/,/^\.." fields-end/s/^\.B //p' "$dir/man" > "$dir/man-fields"
"$ctl" complete fields | cut -f2 > "$dir/tool-fields"
if cmp -s "$dir/man-fields" "$dir/tool-fields"; then
	ok man-fields-in-order
else
	bad man-fields-in-order "$(diff "$dir/man-fields" "$dir/tool-fields" | sed -n 2p)"
fi
missing=
for w in SIZING FAILOVER FAILBACK EVENTS TROUBLESHOOTING; do grep -q "^\.SH $w$" "$dir/man" || missing="$missing section:$w"; done
for w in $(sed -n '/ events\[\] = {/,/^}/s/.*"\(.*\)",/\1/p' userspace/lib/names.c) lost; do
	sed -n '/^\.SH EVENTS/,/^\.SH TROUBLE/p' "$dir/man" | grep -q "^\.B $w$" || missing="$missing event:$w"
done
if [ -z "$missing" ]; then ok man-has-all-events; else bad man-has-all-events "lacks$missing"; fi
if command -v man > /dev/null; then
	expect man-renders 0 '!.' -- bash -c "MANWIDTH=80 man --warnings -l -E UTF-8 '$man' > /dev/null"
else
	echo "SKIPPED man-renders: there is no man"
fi
# Every remedy names a command that there is, with options that it has: in the tool, as built, in what the
# module says, and where the documents give commands.
cat > "$dir/remedies.py" <<'E'
import re, subprocess, sys
ctl = sys.argv[1]
def ask(*args): return subprocess.run([ctl, "complete", *args], capture_output=True, text=True).stdout.split()
def literals(path):
    text = open(path, encoding="utf-8", errors="replace").read()
    if path == ctl:
        return re.findall(r"[ -~\n\t]{4,}", open(path, "rb").read().decode("latin-1"))
    if path.endswith(".c") or path.endswith(".h"):
        return re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    text = text.replace("\\-", "-").replace("\\\n", " ")
    return re.findall(r"(?:^|[`#] ?)(orderedctl [^`\n]*)", text, re.M)
known = {c: ask("options", c) for c in ask("commands")}
seen, wrong = 0, []
for path in sys.argv[1:]:
    for text in literals(path):
        for m in re.finditer(r"(?<!this )(?<!an )orderedctl ([a-z][a-z-]*)([^\";|&]*)", text):
            if path == ctl and re.match(r"orderedctl:", text):
                continue
            seen += 1
            if m[1] not in known:
                wrong.append(f"{path}: no command: {m[0]}")
                continue
            wrong += [f"{path}: no option --{o}: {m[0]}" for o in re.findall(r"(?<!\S)--([a-z][a-z-]*)", m[2])
                      if o not in known[m[1]] + ["help", "version"]]
if wrong or seen < 60:
    sys.exit(wrong[0] if wrong else f"only {seen} are found")
E
if python3 "$dir/remedies.py" "$ctl" dm-ordered/*.[ch] dm-ordered/*/*.[ch] userspace/*/*.c "$man" README.md Documentation/*.* \
	2> "$dir/err"; then
	ok remedies-exist
else
	bad remedies-exist "$(tail -n 1 "$dir/err")"
fi

# completes WANTED WORD...: that is what the shell proposes for the last of the words of a command
completes() {
	local want=$1; shift

	# shellcheck disable=SC1091
	(PATH=$out:$PATH; . userspace/completion/orderedctl; COMP_WORDS=(orderedctl "$@"); COMP_CWORD=$#
		_orderedctl; [ "${COMPREPLY[*]}" = "$want" ] || echo "for $*: ${COMPREPLY[*]}, not $want") 2>> "$dir/wrong"
}
: > "$dir/wrong"; : > "$dir/zz1"; : > "$dir/zz2"
{
	completes promote pro; completes --version --v; completes drain help dr
	completes --cycle-ms= set x --cy; completes '--journal --json' dump --j; completes '' set x y
	completes secondary format --role sec; completes 'primary secondary' format --role = ''
	completes secondary format --role = s; completes consistent wait x cons; completes --help list --
	completes "$dir/zz1 $dir/zz2" dump "$dir/zz"; completes "$dir/zz2" create x --meta "$dir/zz2"
	completes --volume= create --map 1 = /dev/x,y --vol
} >> "$dir/wrong"
if [ ! -s "$dir/wrong" ]; then ok completion; else bad completion "$(head -n 1 "$dir/wrong")"; fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
