/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own types (BTF), read once for all that look something up in them while
 * probes are opened: they are 5 to 10 MiB.
 */
#ifndef KERNEL_BTF_H
#define KERNEL_BTF_H

#include <stdint.h>

struct btf;
struct btf_param;

/* The types, ours until kernel_btf_free(); NULL with errno when they cannot be had. */
const struct btf *kernel_btf(void);

/*
 * The arguments of a tracepoint, from its prototype. Returns how many there are; 0:
 * this kernel has no such tracepoint. The first is the tracepoint's own data.
 */
int kernel_btf_args(const char *tracepoint, const struct btf_param **args);

/* Is that argument a pointer? */
int kernel_btf_is_pointer(const struct btf_param *arg);

/* The value of an enumerator, whatever its type is called; none: there is no such. */
uint32_t kernel_btf_enumerator(const char *name, uint32_t none);

/* When all probes are open: gives back what opening them took. */
void kernel_btf_free(void);

#endif
