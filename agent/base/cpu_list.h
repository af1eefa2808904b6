/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of CPUs, as the kernel writes and reads them: 0,4-7 (cpuset(7), List format). */
#ifndef CPU_LIST_H
#define CPU_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_LIST_MAX 8192 /* as many as Linux can have */

struct cpu_list {
	uint64_t bits[CPU_LIST_MAX / 64];
};

/* Adds what a text lists; an empty one lists nothing. -EINVAL: it is no list. */
int cpu_list_parse(const char *text, struct cpu_list *l);
bool cpu_list_has(const struct cpu_list *l, unsigned int cpu);
bool cpu_list_is_empty(const struct cpu_list *l);
/* As text, cut where it does not fit. */
void cpu_list_text(const struct cpu_list *l, char *text, size_t len);

#endif
