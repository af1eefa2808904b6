/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPF maps without a kernel, for the test that includes this: lists of entries in
 * memory, by descriptors that nothing else has. A program's own functions of these
 * names come before the library's.
 */
#ifndef FAKE_MAPS_H
#define FAKE_MAPS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "kernel/cells.h"

#define FAKE_FD 1000000

static struct fake_map {
	size_t key_size, value_size, count;
	unsigned char *entries; /* a key and its value each */
	int error;		/* what updates fail with, 0: they do not */
} fake_maps[MAPS_SHARED];

/* Makes an empty map, and what cells.fds holds of it. */
static inline int fake_map_make(enum cells_map m, size_t key_size, size_t value_size)
{
	free(fake_maps[m].entries);
	fake_maps[m] =
	    (struct fake_map){ .key_size = key_size, .value_size = value_size };
	return FAKE_FD + m;
}

static inline struct fake_map *fake_map_of(int fd)
{
	bool ours = fd >= FAKE_FD && fd < FAKE_FD + MAPS_SHARED;

	return ours && fake_maps[fd - FAKE_FD].key_size ? &fake_maps[fd - FAKE_FD]
							: NULL;
}

static inline unsigned char *fake_entry(const struct fake_map *m, size_t i)
{
	return m->entries + i * (m->key_size + m->value_size);
}

/* Its number, or count. */
static inline size_t fake_find(const struct fake_map *m, const void *key)
{
	size_t i = 0;

	while (i < m->count && memcmp(fake_entry(m, i), key, m->key_size))
		i++;
	return i;
}

/* As the library does it. */
static inline int fake_result(int err)
{
	errno = -err;
	return err;
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	struct fake_map *m = fake_map_of(fd);
	size_t i = m ? fake_find(m, key) : 0;

	if (!m || m->error)
		return fake_result(m ? m->error : -EBADF);
	if (i == m->count)
		m->entries =
		    realloc(m->entries, ++m->count * (m->key_size + m->value_size));
	memcpy(fake_entry(m, i), key, m->key_size);
	memcpy(fake_entry(m, i) + m->key_size, value, m->value_size);
	return 0;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	struct fake_map *m = fake_map_of(fd);
	size_t i = m ? fake_find(m, key) : 0;

	if (!m || i == m->count)
		return fake_result(m ? -ENOENT : -EBADF);
	memcpy(value, fake_entry(m, i) + m->key_size, m->value_size);
	return 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	struct fake_map *m = fake_map_of(fd);
	size_t i = m ? fake_find(m, key) : 0;

	if (!m || i == m->count)
		return fake_result(m ? -ENOENT : -EBADF);
	m->count--;
	memmove(fake_entry(m, i), fake_entry(m, i + 1),
		(m->count - i) * (m->key_size + m->value_size));
	return 0;
}

/* A key that is not there is followed by the first one, as in the kernel. */
int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	struct fake_map *m = fake_map_of(fd);
	size_t i = m && key ? fake_find(m, key) : 0;

	if (!m)
		return fake_result(-EBADF);
	if (key)
		i = i == m->count ? 0 : i + 1;
	if (i >= m->count)
		return fake_result(-ENOENT);
	memcpy(next, fake_entry(m, i), m->key_size);
	return 0;
}

#endif
