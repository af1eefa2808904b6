// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "metric/self_history.h"

const struct metric self_history_size = {
	"assay.history.size",
	"By",
	"What the history takes of the node's disk (see --history).",
	METRIC_UPDOWN,
};
const struct metric self_history_readings = {
	"assay.history.readings",
	"{reading}",
	"Readings for the history: kept; late: kept as a part of the next one, as the disk was "
	"behind; lost: could not be written.",
	METRIC_SUM,
	.attrs = { "assay.result" },
};

static int add(struct point_group *g, const struct metric *m, uint64_t start_ns,
	       const char *result, uint64_t value)
{
	struct point *p = points_add(g, m);

	if (!p)
		return -ENOMEM;
	p->values[0] = result;
	p->start_ns = start_ns;
	p->u = value;
	return 0;
}

int self_add_history(struct point_group *g, uint64_t start_ns,
		     const struct history_stats *h)
{
	const struct metric *readings = &self_history_readings;
	int err = add(g, &self_history_size, start_ns, NULL, h->bytes);

	if (!err)
		err = add(g, readings, start_ns, "kept", h->kept);
	if (!err)
		err = add(g, readings, start_ns, "late", h->late);
	if (!err)
		err = add(g, readings, start_ns, "lost", h->lost);
	return err;
}
