// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "bpf/cell.h"
#include "kernel/probes.h"
#include "view/cost.h"
#include "view/listing.h"
#include "view/probe_list.h"
#include "view/report.h"

#define NUMBER_LEN 32

const struct frame_series *probe_state(const struct frame *f, const char *probe)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *name = frame_attr(&s->attrs, "assay.probe");

		if (!strcmp(s->name, "assay.probe.attached") && name &&
		    !strcmp(name, probe) && !report_is_workload(s->resource))
			return s;
	}
	return NULL;
}

/* All that it did not count, for whatever reason. */
static double lost(const struct frame *f, const char *probe)
{
	double sum = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *name = frame_attr(&s->attrs, "assay.probe");

		if (!strcmp(s->name, "assay.lost") && name && !strcmp(name, probe))
			sum += report_count(s);
	}
	return sum;
}

int probe_list_print(const struct frame *f, int format, FILE *out)
{
	static const char *const keys[] = { "name",    "state", "reason", "runs",
					    "seconds", "lost",	"help" };
	struct listing l = { .keys = keys, .columns = COUNT(keys), .numbers = 7u << 3 };
	char numbers[PROBE_COUNT][3][NUMBER_LEN];
	int err = 0;

	for (size_t i = 0; i < probe_desc_count && i < PROBE_COUNT && !err; i++) {
		const struct probe_desc *d = &probe_descs[i];
		const struct frame_series *s = probe_state(f, d->name);
		struct cost c;

		cost_get(f, d->name, NULL, &c);
		snprintf(numbers[i][0], NUMBER_LEN, "%.0f", c.runs);
		snprintf(numbers[i][1], NUMBER_LEN, "%.6g", c.seconds);
		snprintf(numbers[i][2], NUMBER_LEN, "%.0f", lost(f, d->name));
		err = listing_add(
		    &l,
		    (const char *[]){
			d->name, s ? frame_attr(&s->attrs, "assay.state") : "unknown",
			s ? frame_attr(&s->attrs, "assay.reason") : NULL, numbers[i][0],
			numbers[i][1], numbers[i][2], d->help });
	}
	if (!err)
		err = listing_print(&l, format, out);
	listing_fini(&l);
	return err;
}
