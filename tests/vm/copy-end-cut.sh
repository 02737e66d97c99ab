#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: a link that breaks at the very end of a direct copy, several times, costs another end, not the replication.
# Kernels: 6.1
# Machines: 1
# Limit: 90
# Mem: 768

. "$DMO_TOP/tests/vm/lib/recorded.sh"

load_module
session_make a 2 8 equal=1 pmeta=3 smeta=3
check "more than the journal takes" dmoload fill "$(pvol a)" --seed "$SEED"
events_start
recorded_link a --cut-ends 3
event_wait 20 ' inconsistent .*larger than the secondary'
session_copied a 40
event_wait 5 ' consistent '
same "merges" "$(grep -cE " merge .*(needs a copy first|end of a direct copy)" /run/events)" 3
events_stop
session_drain a
recorded_unlink a
session_equal a
session_remove a
pass
