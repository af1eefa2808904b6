/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long each CPU was busy, by /proc/stat: user, nice, system, irq and softirq. Not
 * idle and iowait, where nobody is slowed down, nor steal, which is none of its time.
 */
#ifndef BUSY_H
#define BUSY_H

#include <stddef.h>
#include <stdint.h>

struct busy {
	int fd; /* stays open; -1: it cannot be read */
	char *text;
	size_t size;
};

/* For so many CPUs. 0 or -errno; busy_close() in any case. */
int busy_open(struct busy *b, uint32_t cpus);
/*
 * Reads the ns that each CPU was busy since the boot, of `cpus` entries; of a CPU that
 * is offline the entry stays as it is. The kernel counts in steps of 10 ms. 0 or
 * -errno.
 */
int busy_read(struct busy *b, uint64_t *ns, uint32_t cpus);
/* The same from the file's text. -EINVAL: it is none. */
int busy_parse(const char *text, uint64_t *ns, uint32_t cpus);
void busy_close(struct busy *b);

#endif
