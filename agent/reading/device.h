/* SPDX-License-Identifier: Apache-2.0 */
/* Names of block devices. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stddef.h>

/*
 * What the users of a disk call it, into buf, by the kernel's name of it: that of an
 * NVMe path (nvme0c1n1) is that of the device with the paths (nvme0n1).
 */
void device_name(const char *disk, char *buf, size_t len);

#endif
