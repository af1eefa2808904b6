// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "workload/group.h"
#include "workload/owner.h"
#include "workload/select.h"

/* NAMESPACE/KIND/NAME, the kind in lower case: none of these has a slash. */
static char *owner_name(const struct names *n, const struct owner *o)
{
	char *name;

	if (asprintf(&name, "%s/%s/%.*s", n->namespace, o->kind, (int)o->len, o->name) <
	    0)
		return NULL;
	for (char *c = name + strlen(n->namespace) + 1; *c != '/'; c++)
		*c = tolower((unsigned char)*c);
	return name;
}

static char *name_of(enum workload_kind kind, const struct names *n,
		     const struct owner *owner)
{
	char *name;
	int len;

	if (kind == WORKLOAD_OWNER)
		return owner_name(n, owner);
	if (kind == WORKLOAD_EXCLUDED)
		return strdup(workload_kind_name(kind));
	if (kind == WORKLOAD_NAMESPACE)
		len = asprintf(&name, "%s/%s", workload_kind_name(kind), n->namespace);
	else
		len = asprintf(&name, "%s/%s", n->namespace, n->pod);
	return len < 0 ? NULL : name;
}

static bool is_excluded(const struct grouping *g, const struct workload_id *id,
			const struct names *names)
{
	return (g->include && !select_matches(g->include, id, names)) ||
	       (g->exclude && select_matches(g->exclude, id, names));
}

/* What it is a part of; WORKLOAD_CONTAINER: of nothing. */
static enum workload_kind kind_of(const struct grouping *g,
				  const struct workload_id *id,
				  const struct names *names, struct owner *owner)
{
	if (is_excluded(g, id, names))
		return WORKLOAD_EXCLUDED;
	if (g->by == GROUP_CONTAINER || !names || !names_in_pod(names))
		return WORKLOAD_CONTAINER;
	if (g->by == GROUP_NAMESPACE)
		return WORKLOAD_NAMESPACE;
	if (g->by == GROUP_OWNER && owner_find(names, owner))
		return WORKLOAD_OWNER;
	return WORKLOAD_POD;
}

int group_find(const struct grouping *g, const struct workload_id *id,
	       const struct names *names, struct group_id *out)
{
	struct owner owner;

	*out = (struct group_id){ .kind = kind_of(g, id, names, &owner) };
	if (out->kind == WORKLOAD_CONTAINER)
		return 0;
	out->name = name_of(out->kind, names, &owner);
	/* a pod that was made anew has its name again, but another UID */
	if (!out->name ||
	    asprintf(&out->key, "%s:%s:%s", workload_kind_name(out->kind), out->name,
		     out->kind == WORKLOAD_POD ? id->pod_uid : "") < 0) {
		free(out->name);
		return -ENOMEM;
	}
	return 1;
}

void group_id_fini(struct group_id *id)
{
	free(id->key);
	free(id->name);
}

bool grouping_is_on(const struct grouping *g)
{
	return g->by != GROUP_CONTAINER || g->include || g->exclude;
}

void grouping_fini(struct grouping *g)
{
	select_free(g->include);
	select_free(g->exclude);
	*g = (struct grouping){ 0 };
}
