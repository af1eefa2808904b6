/* SPDX-License-Identifier: Apache-2.0 */
/* A history with a file of its own for each test, and what is in it. */
#ifndef SOME_KEPT_H
#define SOME_KEPT_H

#include "some_history.h"

static struct some_file file;

static inline int begin(void **state)
{
	some_file_init(&file, SIZE);
	return 0;
}

static inline int end(void **state)
{
	some_file_fini(&file);
	return 0;
}

/* Readings of 10 s, the first one from BEGIN on, each with so many calls. */
static inline void add_readings(unsigned int first, unsigned int n, uint64_t calls)
{
	for (unsigned int k = first; k < first + n; k++)
		some_add(&file, BEGIN + (k + 1) * STEP, k % 6 == 0,
			 &(struct some){ .workload = 1,
					 .calls = calls,
					 .memory = 1000 + k,
					 .noise = 4,
					 .series = 2 },
			 1);
}

static inline struct history_reader *open_reader(const char *path)
{
	struct history_reader *r;
	char cause[256];

	if (history_reader_open(path, &r, cause, sizeof(cause)))
		fail_msg("%s", cause);
	return r;
}

static inline const struct frame_series *find(const struct frame *f, const char *name,
					      const char *class)
{
	for (size_t i = 0; i < f->count; i++) {
		const char *value = frame_attr(&f->series[i].attrs, "class");

		if (!strcmp(f->series[i].name, name) &&
		    (class ? value && !strcmp(value, class) : !value))
			return &f->series[i];
	}
	fail_msg("no %s", name);
	return NULL;
}

/* The calls of class a in a span; got_s: what the numbers are of. */
static inline int64_t calls_in(const char *path, uint64_t since, uint64_t until,
			       uint64_t *got_s, size_t *damaged)
{
	struct history_reader *r = open_reader(path);
	struct history_span asked = { since, until, 0 }, got;
	struct frame *f;
	char cause[256];
	int64_t calls;

	if (history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)))
		fail_msg("%s", cause);
	calls = find(f, "test.calls", "a")->i;
	if (got_s)
		*got_s = got.covered_ns / NS;
	if (damaged)
		*damaged = history_reader_damaged(r);
	frame_free(f);
	history_reader_close(r);
	return calls;
}

#endif
