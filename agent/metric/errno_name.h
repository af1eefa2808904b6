/* SPDX-License-Identifier: Apache-2.0 */
/* The names of errnos as values of an attribute. */
#ifndef ERRNO_NAME_H
#define ERRNO_NAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * "ECONNREFUSED"; all numbers without a name are _OTHER, which points_merge() adds up.
 * The name is constant, buf unused: for metric_row.open_name.
 */
const char *errno_name(uint32_t err, char *buf, size_t len);

#endif
