/* SPDX-License-Identifier: Apache-2.0 */
/* Probes in short, a line for each: `assay list probes`, `assay probes --format csv`.
 */
#ifndef PROBE_LIST_H
#define PROBE_LIST_H

#include <stdio.h>
#include "otlp/frame.h"

/* The agent's own series that says how this probe is, or NULL. */
const struct frame_series *probe_state(const struct frame *f, const char *probe);
/* Prints it in a format of enum report_format. 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int probe_list_print(const struct frame *f, int format, FILE *out);

#endif
