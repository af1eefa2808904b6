// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "diagnose/disks.h"

#define OPERATION "assay.block.operation.duration"
#define DEVICE	  "assay.block.device.duration"
#define DISKS	  256 /* a node has one for each volume */

/* Time of requests by workload, of one disk. */
struct disk {
	struct disk_use use;
	const struct frame_attrs *resource; /* whose series are being added up */
	double resource_s;
};

struct disks {
	struct disk list[DISKS];
	size_t count;
};

static struct disk *disk_of(struct disks *d, const struct frame_series *s)
{
	const char *name = frame_attr(&s->attrs, "system.device");
	size_t i = 0;

	if (!name)
		return NULL;
	while (i < d->count && strcmp(d->list[i].use.device, name))
		i++;
	if (i == DISKS)
		return NULL;
	if (i == d->count)
		d->list[d->count++] = (struct disk){ .use.device = name };
	return &d->list[i];
}

static void end_resource(struct disk *d, const struct facts *me)
{
	if (d->resource && d->resource != me->resource &&
	    d->resource_s > d->use.neighbour_s) {
		d->use.neighbour = d->resource;
		d->use.neighbour_s = d->resource_s;
	}
	d->resource = NULL;
	d->resource_s = 0;
}

static void add(struct disk *d, const struct frame_series *s, const struct facts *me)
{
	double t = s->hist->sum_ns * 1e-9 / facts_time(me, s->name);
	double n = hist_count(s->hist);
	bool own = s->resource == me->resource;

	if (d->resource != s->resource)
		end_resource(d, me);
	d->resource = s->resource;
	d->resource_s += t;
	d->use.all += t;
	d->use.all_count += n;
	d->use.own += own ? t : 0;
	d->use.own_count += own ? n : 0;
}

static bool has_time(const struct frame_series *s, const char *metric)
{
	return !strcmp(s->name, metric) && s->kind == METRIC_HISTOGRAM &&
	       hist_count(s->hist);
}

/* Finds a disk's entry, if it has one, and which of its times are known. */
static void note(struct disks *d, const struct frame_series *s)
{
	bool in_device = has_time(s, DEVICE);
	struct disk *disk = in_device || has_time(s, OPERATION) ? disk_of(d, s) : NULL;

	if (disk)
		disk->use.in_device |= in_device;
}

static void note_all(struct disks *d, const struct facts *me)
{
	/* its own have an entry in any case */
	for (size_t i = me->first; i < me->end; i++)
		note(d, &me->frame->series[i]);
	for (size_t i = 0; i < me->frame->count; i++)
		note(d, &me->frame->series[i]);
}

double disks_time(const struct facts *me, const struct disk_use *d,
		  const struct frame_attrs *who)
{
	const char *metric = d->in_device ? DEVICE : OPERATION;
	double sum = 0;

	for (size_t i = 0; i < me->frame->count; i++) {
		const struct frame_series *s = &me->frame->series[i];
		const char *name =
		    has_time(s, metric) ? frame_attr(&s->attrs, "system.device") : NULL;

		if (name && !strcmp(name, d->device) &&
		    (!who || !strcmp(frame_cgroup(s->resource), frame_cgroup(who))))
			sum += s->hist->sum_ns * 1e-9 / facts_time(me, metric);
	}
	return sum;
}

bool disks_find(const struct look *l, struct disk_use *out)
{
	const struct frame *f = l->now->frame;
	const struct disk *best = NULL;
	struct disks d = { .count = 0 };

	note_all(&d, l->now);
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		struct disk *disk = has_time(s, DEVICE) || has_time(s, OPERATION)
					? disk_of(&d, s)
					: NULL;

		if (disk && has_time(s, disk->use.in_device ? DEVICE : OPERATION))
			add(disk, s, l->now);
	}
	for (size_t i = 0; i < d.count; i++) {
		struct disk *disk = &d.list[i];

		end_resource(disk, l->now);
		if (disk->use.all_count <= 0)
			continue;
		if (!best || disk->use.own > best->use.own ||
		    (disk->use.own == best->use.own && disk->use.all > best->use.all))
			best = disk;
	}
	if (best)
		*out = best->use;
	return best;
}
