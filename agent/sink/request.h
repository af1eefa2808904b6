/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that clients of the local API send: sink/api.h. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a line is "exact MS"; ms: so many, but a day at most. */
bool request_is_exact(const char *line, uint64_t *ms);

#endif
