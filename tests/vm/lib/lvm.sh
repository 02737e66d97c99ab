# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lvm.sh: LVM in a machine without udev, in which two sites show the same physical volumes.

mkdir -p /run/lvm.conf
export LVM_SYSTEM_DIR=/run/lvm.conf
cat > /run/lvm.conf/lvm.conf <<'C'
backup { backup = 0 archive = 0 }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 verify_udev_operations = 0 }
global { use_lvmpolld = 0 event_activation = 0 }
devices { obtain_device_list_from_udev = 0 }
C

# lvm_with DEVICE...: what lvm_do looks at from now on; of two copies of a physical volume it must see one only.
lvm_with() { lvm_devices=$(paste -sd , <<< "$(printf '%s\n' "$@")"); }

# lvm_do COMMAND...: each must succeed; sets lvm_out, what the last one printed.
lvm_do() {
	local command

	for command in "$@"; do
		# shellcheck disable=SC2086 # words
		lvm_out=$(lvm $command --devices "$lvm_devices" 2>&1) || fail "$command: $lvm_out"
		echo "ok: $command"
	done
}
