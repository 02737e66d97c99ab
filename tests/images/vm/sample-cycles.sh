#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shows: what the module makes of crash images of record-cycles in this kernel is what the same sources made of them in
# userspace: cuts, INCONSISTENT, and bit for bit the volumes and the metadata device; and so after promotion.
# Kernels: 6.12
# Machines: 1
# Limit: 240
# Mem: 768

. "$DMO_TOP/tests/vm/lib/sampled.sh"

load_module
sampled_images "$DMO_TOP/build/images/sample-cycles"
pass
