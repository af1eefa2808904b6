/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTIL_H
#define UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Nanoseconds of CLOCK_REALTIME, CLOCK_BOOTTIME and CLOCK_MONOTONIC. */
uint64_t now_wall_ns(void);
uint64_t now_boot_ns(void);
uint64_t now_mono_ns(void);

/*
 * The file's content, at most len - 1 bytes and NUL-terminated, without newlines at
 * the end. Returns its length or -errno. A pipe is not waited for: it is empty.
 */
int read_file(const char *path, char *buf, size_t len);
/*
 * The same of a path below a directory, as one whose root that is would see it: its
 * symbolic links do not lead out (openat2(2)).
 */
int read_file_below(const char *root, const char *path, char *buf, size_t len);
/* Opens such a path; flags: open(2)'s. The caller's descriptor, or -errno. */
int open_below(const char *root, const char *path, int flags);

/* Writes what is buffered. 0 or -errno, also of what could not be written before. */
int write_out(FILE *f);

/* The limit of open descriptors, often 1024: this many, if the hard one lets us. */
void raise_descriptors(uint64_t wanted);

#endif
