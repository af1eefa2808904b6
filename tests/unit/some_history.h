/* SPDX-License-Identifier: Apache-2.0 */
/* Readings for the tests of the history: made by points, as the agent makes them. */
#ifndef SOME_HISTORY_H
#define SOME_HISTORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "cpu_time.h"
#include "encode.h"
#include "reading/sparse.h"
#include "sink/history_impl.h"
#include "sink/history_read.h"
#include "sink/history_write.h"

#define NS	1000000000ULL
#define BEGIN	(1700000040ULL * NS) /* a minute begins */
#define STEP	(10 * NS)
#define SIZE	(64ULL << 20)
#define CLASSES 12

static const struct metric some_calls = { "test.calls", "{call}", "Calls.", METRIC_SUM,
					  .attrs = { "class", "error.type" } };
static const struct metric some_time = { "test.time", "s", "Time.", METRIC_HISTOGRAM,
					 .attrs = { "class" } };
static const struct metric some_memory = { "test.memory", "By", "Memory.",
					   METRIC_UPDOWN };
static const char *const some_classes[CLASSES] = { "a", "b", "c", "d", "e", "f",
						   "g", "h", "i", "j", "k", "l" };

/* What a reading has of one workload. */
struct some {
	unsigned int workload;
	uint64_t calls, memory; /* memory: 0: it is not told */
	double noise;		/* of calls; 0: they are exact */
	unsigned int series;	/* of each kind, CLASSES at most */
};

static inline void some_group(struct points *p, unsigned int i)
{
	struct point_group *g = points_group(p);
	char *name = (char *)points_text(g, "workload-%u", i);

	points_attr(g, "host.name", "node-of-test");
	points_attr(g, "host.id", "0123456789abcdef0123456789abcdef");
	points_attr(g, "k8s.namespace.name", "shop");
	points_attr(g, "k8s.pod.name", points_text(g, "%s-7d4b9c5f6d-x2v%u", name, i));
	points_attr(g, "k8s.pod.uid",
		    points_text(g, "%08x-1111-2222-3333-444455556666", i));
	points_attr(g, "k8s.deployment.name", name);
	points_attr(g, "container.id",
		    points_text(g, "%08x%08x%08x%08x%08x%08x%08x%08x", i, i * 7, i * 13,
				i * 31, i * 41, i * 59, i * 61, i * 71));
	points_attr(g, "assay.workload.kind", "container");
	points_attr(g, "assay.workload.name", name);
	points_attr(g, "process.linux.cgroup",
		    points_text(g, "/kubepods.slice/kubepods-pod%08x.slice", i));
	points_attr(g, "service.instance.id", points_text(g, "instance-of-%u", i));
}

/* n events in some buckets; *p: to be freed. */
static inline struct sparse *some_hist(uint64_t n)
{
	struct sparse *h = sparse_new(sizeof(uint64_t));

	uint64_t random = n * 2654435761u + 12345, left = n;

	for (unsigned int i = 0; i < 12; i++) {
		uint64_t *to = sparse_make(&h, (30 + i) / SPARSE_GROUP), part;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		part = i < 11 ? (random >> 33) % (left / 3 + 1) : left;
		to[(30 + i) % SPARSE_GROUP] = part;
		left -= part;
	}
	h->sum_ns = n * 1000 + (random >> 40);
	return h;
}

static inline void some_workload(struct points *p, const struct some *s,
				 struct sparse **hists)
{
	struct point_group *g;
	struct point *pt;

	some_group(p, s->workload);
	g = &p->groups[p->count - 1];
	for (unsigned int i = 0; i < s->series; i++) {
		pt = points_add(g, &some_calls);
		pt->values[0] = some_classes[i];
		pt->start_ns = p->time_ns - STEP;
		pt->u = s->calls + i;
		pt->error.noise = s->noise;
		pt = points_add(g, &some_time);
		pt->values[0] = some_classes[i];
		pt->start_ns = p->time_ns - STEP;
		pt->hist = hists[i] = some_hist(s->calls + i);
	}
	if (!s->memory)
		return;
	pt = points_add(g, &some_memory);
	pt->start_ns = 1;
	pt->u = s->memory;
}

static inline void some_pack(struct history_reading *r, const uint8_t *bytes,
			     size_t len)
{
	struct history_packer *p = history_packer_new();

	assert_non_null(p);
	assert_int_equal(history_packer_add(p, bytes, len), 0);
	assert_int_equal(history_packer_end(p, &r->bytes, &r->len, &r->size), 0);
}

/* One reading that ends at until_ns; its bytes are to be freed. */
static inline struct history_reading some_reading(uint64_t until_ns, bool whole,
						  const struct some *list, size_t count)
{
	struct points p = { .time_ns = until_ns, .delta = true };
	struct history_reading r = { .since_ns = until_ns - STEP,
				     .until_ns = until_ns,
				     .whole = whole };
	struct sparse **hists = calloc(count * CLASSES, sizeof(*hists));
	uint8_t *bytes;
	size_t len;

	for (size_t i = 0; i < count; i++)
		some_workload(&p, &list[i], hists + i * CLASSES);
	assert_int_equal(encode_all(&p, &bytes, &len), 0);
	some_pack(&r, bytes, len);
	free(bytes);
	points_fini(&p);
	for (size_t i = 0; i < count * CLASSES; i++)
		free(hists[i]);
	free(hists);
	return r;
}

/* The file of a test, in a directory of its own. */
struct some_file {
	char dir[64], path[128];
	struct history_file f;
};

static inline void some_file_init(struct some_file *s, uint64_t size)
{
	static const struct history_fact facts[] = { { "host.name", "node-of-test" },
						     { "kernel.release",
						       "6.1.0-of-test" },
						     { "cpus", "96" } };

	strcpy(s->dir, "/tmp/assay-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/history.db", s->dir);
	s->f = (struct history_file){ .path = s->path,
				      .size = size,
				      .facts = facts,
				      .fact_count = 3,
				      .lock = -1 };
}

static inline void some_file_fini(struct some_file *s)
{
	static const char *const names[] = { "",	 "-wal",	 "-shm",
					     ".damaged", ".damaged-wal", ".damaged-shm",
					     ".copy" };
	char name[160];

	history_file_close(&s->f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", s->path, names[i]);
		unlink(name);
	}
	rmdir(s->dir);
}

static inline void some_add(struct some_file *s, uint64_t until_ns, bool whole,
			    const struct some *list, size_t count)
{
	struct history_reading r = some_reading(until_ns, whole, list, count);
	char cause[256] = "";

	if (history_file_add(&s->f, &r, cause, sizeof(cause)))
		fail_msg("%s", cause);
	free(r.bytes);
}

#endif
