// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "diagnose/why_items.h"

static const struct diagnosis *diagnosis_of(const struct why *w,
					    const struct finding *f)
{
	if (w->workload)
		return w->workload;
	for (size_t i = 0; i < w->node->count; i++)
		if (f >= w->node->list[i]->list &&
		    f < w->node->list[i]->list + RULES_MOST)
			return w->node->list[i];
	return NULL;
}

const struct finding *why_beside(const struct why *w, const struct finding *f,
				 const char *id)
{
	const struct diagnosis *d = diagnosis_of(w, f);

	for (size_t i = 0; d && i < d->count; i++)
		if (!strcmp(d->list[i].rule->id, id))
			return &d->list[i];
	return NULL;
}

const struct finding *why_found(const struct why *w, size_t i)
{
	if (w->workload)
		return i < w->workload->found_count ? w->workload->found[i] : NULL;
	return i < w->node->found_count ? w->node->found[i] : NULL;
}

const struct finding *why_rule(const struct why *w, size_t i)
{
	if (w->workload)
		return i < w->workload->count ? &w->workload->list[i] : NULL;
	return i < w->node->nearest_count ? &w->node->nearest[i] : NULL;
}

enum overall why_overall(const struct why *w)
{
	return w->workload ? w->workload->overall : w->node->overall;
}

const char *why_reason(const struct why *w)
{
	return w->workload ? w->workload->why : w->node->why;
}
