/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMO_TARGET_H
#define DMO_TARGET_H

int dmo_target_init(void);
void dmo_target_exit(void);

#endif /* DMO_TARGET_H */
