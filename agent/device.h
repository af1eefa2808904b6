/* SPDX-License-Identifier: Apache-2.0 */
/* Names of block devices. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stddef.h>

/*
 * The name of a block device, into buf, which is returned: "vda"; the path of an NVMe
 * device with several (nvme0c1n1) by the name that users know it by (nvme0n1). One that
 * /sys does not have any more is "MAJOR:MINOR".
 */
const char *device_name(unsigned int major, unsigned int minor, char *buf, size_t len);

#endif
