# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# sampled.sh: crash images that dmoimages has written to files, for a real kernel; a scenario sources it with
#	. "$DMO_TOP/tests/vm/lib/sampled.sh"

. "$DMO_TOP/tests/vm/lib/ordered.sh"

declare -A sampled_dev
sampled_maps=()

# sampled_loops: loop devices of the sizes that the disks of image 0 have.
sampled_loops() {
	local f name

	need_module loop
	for f in "$sampled_dir"/0.*-*; do
		name=${f##*-}
		truncate -s "$(stat -c %s "$f")" "/dev/shm/$name"
		sampled_dev[$name]=$(losetup -f --show "/dev/shm/$name")
		[ "$name" = sm ] || sampled_maps+=(--map "${name#sd}=${sampled_dev[$name]},x-${name#sd}")
	done
}

# sampled_put N: the disks of image N.  sampled_content NAME: digest of a disk.
sampled_put() {
	local name

	for name in "${!sampled_dev[@]}"; do
		dd if="$sampled_dir/$1.a-$name" of="${sampled_dev[$name]}" bs=1M oflag=direct status=none
	done
}
sampled_content() {
	local sum

	sum=$(dd if="${sampled_dev[$1]}" bs=1M iflag=direct status=none | sha256sum)
	echo "${sum%% *}"
}

# sampled_state: its cuts, and whether it is INCONSISTENT.
sampled_state() {
	orderedctl status "${sampled_dev[sm]}" --json | jq -r '.[0] | ([.cut_complete, .cut_committed, .cut_restored] |
		map("\(.epoch).\(.n)") | join(" ")) + " \(.inconsistent)"'
}
sampled_state_is() { [ "$(sampled_state)" = "$1" ]; }

# sampled_image N: one of them.
sampled_image() {
	local n=$1 complete committed restored inconsistent promoted='' m d1 d2 promoted_d1 promoted_d2 state out

	# shellcheck disable=SC1090
	. "$sampled_dir/$n.expected"
	sampled_put "$n"
	check "image $n: activation" orderedctl create --meta "${sampled_dev[sm]}" "${sampled_maps[@]}" --allow-reads
	state="$complete $committed $restored $inconsistent"
	wait_for 20 "image $n: '$state', it was '$(sampled_state)'" sampled_state_is "$state"
	same "image $n: metadata device" "$(sampled_content sm)" "$m"
	same "image $n: volume 1" "$(sampled_content sd1)" "$d1"
	same "image $n: volume 2" "$(sampled_content sd2)" "$d2"
	if [ -n "$promoted" ]; then
		out=$(orderedctl promote "${sampled_dev[sm]}" 2>&1) || fail "image $n: promotion: $out"
		same "image $n: promoted at" "$(grep -oE '[0-9]+\.[0-9]+' <<< "$out" | head -n 1)" "$promoted"
		same "image $n: volume 1, promoted" "$(sampled_content sd1)" "$promoted_d1"
		same "image $n: volume 2, promoted" "$(sampled_content sd2)" "$promoted_d2"
	else
		refused "image $n: promotion" INCONSISTENT orderedctl promote "${sampled_dev[sm]}"
	fi
	check "image $n: remove" orderedctl remove --session "${sampled_dev[sm]}"
}

# sampled_images DIR: see that all of them are recovered as is expected there.
sampled_images() {
	local n

	sampled_dir=$1
	sampled_loops
	for ((n = 0; ; n++)); do
		[ -e "$sampled_dir/$n.expected" ] || break
		sampled_image "$n"
	done
	[ "$n" -gt 0 ] || fail "there is no image in $sampled_dir"
	say "IMAGES $n"
}
