// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "cmd/group_options.h"
#include "workload/select.h"

int grouping_options(const struct options *o, struct grouping *g)
{
	int err = 0;

	*g = (struct grouping){ .by = o->group_by };
	if (o->include)
		err = select_parse(o->include, &g->include);
	if (!err && o->exclude)
		err = select_parse(o->exclude, &g->exclude);
	if (err)
		grouping_fini(g);
	return err;
}

static bool needs_kubelet(const struct select *rules)
{
	return rules && select_needs_kubelet(rules);
}

int grouping_check(const struct options *o, char *cause, size_t len)
{
	struct grouping g;
	const char *what = NULL;

	if (strcmp(o->kubelet, "none") || grouping_options(o, &g))
		return 0;
	if (needs_kubelet(g.include))
		what = "--include: owners and labels of pods";
	else if (needs_kubelet(g.exclude))
		what = "--exclude: owners and labels of pods";
	else if (g.by == GROUP_OWNER)
		what = "--group-by owner: owners of pods";
	grouping_fini(&g);
	if (!what)
		return 0;
	snprintf(cause, len,
		 "%s are known by the kubelet alone: say where it is, with --kubelet "
		 "https://HOST:10250/pods",
		 what);
	return -EINVAL;
}

char *grouping_labels(const struct options *o)
{
	char *text = NULL, *of_rules[2] = { NULL };
	struct grouping g;
	size_t len;
	FILE *f;

	if (grouping_options(o, &g))
		return NULL;
	of_rules[0] = g.include ? select_labels(g.include) : NULL;
	of_rules[1] = g.exclude ? select_labels(g.exclude) : NULL;
	grouping_fini(&g);
	f = open_memstream(&text, &len);
	if (f) {
		fputs(o->pod_labels ? o->pod_labels : "", f);
		for (size_t i = 0; i < COUNT(of_rules); i++)
			if (of_rules[i])
				fprintf(f, "%s%s", ftell(f) ? "," : "", of_rules[i]);
	}
	free(of_rules[0]);
	free(of_rules[1]);
	if (f && !fclose(f) && *text)
		return text;
	free(text);
	return NULL;
}
