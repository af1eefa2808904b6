// SPDX-License-Identifier: Apache-2.0
/*
 * What the history is owed: counts that it had no reading of when they were taken from
 * a workload, whose name they are told by all the same.
 */
#include <errno.h>
#include <stdlib.h>
#include "reading/kept.h"
#include "reading/snapshot_impl.h"

void kept_drop_owed(struct workload *w)
{
	totals_drop_owed(w);
}

/* Adds to what is owed by `into`; what is now is none of it. */
static int add(struct workload *into, const struct workload *made)
{
	int err;

	if (!into->owed)
		into->owed = calloc(1, sizeof(*into->owed));
	if (!into->owed)
		return -ENOMEM;
	err = totals_add(into->owed, made);
	for (size_t i = 0; i < made->culprit_count; i++) {
		struct culprit_total *c =
		    totals_culprit(into->owed, made->culprits[i].name);

		if (c)
			c->ns += made->culprits[i].ns;
		else
			err = -ENOMEM;
	}
	totals_fold_usage(&into->owed->usage, &made->usage);
	return err;
}

int kept_owe(struct workload *w)
{
	struct workload made;
	int err = kept_make(w, 0, &made);

	if (!err && kept_is_new(&made))
		err = add(w, &made);
	kept_free(&made);
	return err;
}

int kept_move_owed(struct workload *into, struct workload *w)
{
	int err = w->owed ? add(into, w->owed) : 0;

	kept_drop_owed(w);
	return err;
}

struct workload *kept_owed(struct workload *w, uint64_t since_ns)
{
	static const struct workload nothing_now;

	if (!w->owed)
		return NULL;
	w->owed->is_since = true;
	w->owed->of = &nothing_now;
	w->owed->start_ns = since_ns;
	return w->owed;
}
