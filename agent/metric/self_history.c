// SPDX-License-Identifier: Apache-2.0
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
	"behind or full; lost: could not be made, or not be written until the agent's end, or as the "
	"file is none of assay's.",
	METRIC_SUM,
	.attrs = { "assay.result" },
};

int self_add_history(struct point_group *g, uint64_t start_ns,
		     const struct history_stats *h)
{
	const struct metric *readings = &self_history_readings;
	int err = points_add_u(g, &self_history_size, NULL, start_ns, h->bytes);

	if (!err)
		err = points_add_u(g, readings, "kept", start_ns, h->kept);
	if (!err)
		err = points_add_u(g, readings, "late", start_ns, h->late);
	if (!err)
		err = points_add_u(g, readings, "lost", start_ns, h->lost);
	return err;
}
