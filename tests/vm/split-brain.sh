#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: on two machines: the secondary is promoted while the primary lives; the old primary can't link to it any more,
# both say why, neither overwrites the other; and the promoted side's content is that of the cut it names.
# Kernels: 6.12
# Machines: 2
# Limit: 180
# Mem: 512

if [ -n "${DMO_ROLE:-}" ]; then
	. "$DMO_TOP/tests/vm/lib/ordered.sh"
fi

# One end of the session `one` of one volume.
end_up() {
	local role=primary name=one-p

	net_machine
	load_module
	[ "$DMO_ROLE" = a ] || { role=secondary name=one-s; }
	data=$(disk_loop data 8)
	meta=$(disk_loop meta 16)
	check "format" orderedctl format --role $role --uuid 5f0fb2a1-6e4e-4d0c-9a3e-6f1d2c3b4a59 --label one --plain \
		--cycle-ms 200 --assume-equal --volume 1:8M "$meta"
	check "create" orderedctl create $name --meta "$meta" --volume 1 --data "$data"
	dev=/dev/mapper/$name
}

content() { blockdev --flushbufs "$data"; sha256sum < "$data" | cut -c 1-32; }

primary() {
	local cut

	end_up
	wait_for 60 "a link" orderedctl connect "$meta" 10.77.0.2:7700 --timeout 2
	check "load" dmoload run "$dev" --seed "$SEED" --ops 60 --lanes 4 --max 64k --verify
	cut=$(orderedctl drain "$meta" --timeout 30)
	say "CUT $cut $(content)"
	check "long cycles" orderedctl set "$meta" --cycle-ms 3600000
	check "load that is not shipped" dmoload run "$dev" --seed 77 --ops 20 --max 16k
	say "LATER $(content)"
	heed promoted
	wait_stat 10 "$meta" link_state none
	kept=$(content)
	refused "a link to the new primary" "primary" orderedctl connect "$meta" 10.77.0.2:7700 --timeout 10
	same "no link" "$(status_field "$meta" link_state)" none
	grep -qi "primary" <<< "$(status_field "$meta" reason)" || fail "status says: $(status_field "$meta" reason)"
	check "it takes writes" dmoload run "$dev" --seed 78 --ops 20 --max 16k --verify --area 0:4M
	say "REFUSED $(status_field "$meta" reason)"
}

secondary() {
	local cut

	end_up
	check "listen" orderedctl listen "$meta" 7700 --timeout 60
	heed cut
	read -r cut sum < /outbox/cut
	out=$(orderedctl promote "$meta" 2>&1) || fail "promotion: $out"
	grep -qE "^cut $cut(,|\$)" <<< "$out" || fail "it should have stopped at $cut: $out"
	same "its content is the primary's at the cut" "$(content)" "$sum"
	check "it takes writes" dmoload run "$dev" --seed 5 --ops 40 --max 16k --verify
	kept=$(content)
	orderedctl listen "$meta" 7700 --timeout 60 > /run/listen 2>&1 &
	listener=$!
	wait_for 10 "it listens" sh -c "ss -Hltn 'sport = :7700' | grep ."
	say "PROMOTED"
	! wait $listener || fail "the link came up"
	cat /run/listen
	grep -qi "primary" <<< "$(status_field "$meta" reason)" || fail "status says: $(status_field "$meta" reason)"
	same "role" "$(status_field "$meta" role)" primary
	same "its content is untouched" "$(content)" "$kept"
}

host() {
	guest_start b secondary
	guest_start a primary
	machine_wait a "^LATER" 120
	sed -n 's/^CUT //p' "$MACHINE_DIR/a/result" > "$MACHINE_DIR/b/cut"
	machine_tell b cut
	machine_wait b "^PROMOTED" 60
	machine_tell a promoted
	machine_wait a "^REFUSED" 60
	machine_finish a
	machine_finish b
	scenario_pass
}
