#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# enter.sh FILE [FUNCTION [ARG...]]: run a scenario inside a machine: the file itself, or a function of
# it (the file then holds only functions), which may return instead of calling `pass`.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/vm/lib/guest.sh
. "$here/guest.sh"
scenario_file=$1; shift
# shellcheck disable=SC1090
. "$scenario_file"
[ $# = 0 ] || { "$@"; pass; }
