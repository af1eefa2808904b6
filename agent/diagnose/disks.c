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
	bool in_device; /* the device's own times are known */
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

/* Is a disk one of which the device's own times are known? Some stamp no issue. */
static bool has_metric(const struct frame *f, const char *metric)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->series[i].name, metric) &&
		    f->series[i].kind == METRIC_HISTOGRAM &&
		    hist_count(f->series[i].hist))
			return true;
	return false;
}

/* The disk of a series, if it is of this metric; NULL: it is not. */
static struct disk *disk_in(struct disks *d, const struct frame_series *s,
			    const char *metric)
{
	return strcmp(s->name, metric) || s->kind != METRIC_HISTOGRAM ? NULL
								      : disk_of(d, s);
}

bool disks_find(const struct look *l, struct disk_use *out)
{
	const struct frame *f = l->now->frame;
	const char *metric = has_metric(f, DEVICE) ? DEVICE : OPERATION;
	const struct disk *best = NULL;
	struct disks d = { .count = 0 };

	/* its own have a place in any case */
	for (size_t i = l->now->first; i < l->now->end; i++)
		disk_in(&d, &f->series[i], metric);
	for (size_t i = 0; i < f->count; i++) {
		struct disk *disk = disk_in(&d, &f->series[i], metric);

		if (disk)
			add(disk, &f->series[i], l->now);
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
