// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "options.h"
#include "resource.h"
#include "util.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decoding in place; a percent sign that is none of it stays. */
static void decode(char *s)
{
	char *to = s;

	while (*s) {
		int high = *s == '%' ? hex_digit(s[1]) : -1;
		int low = high >= 0 ? hex_digit(s[2]) : -1;

		if (low >= 0) {
			*to++ = high * 16 + low;
			s += 3;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* OTEL_RESOURCE_ATTRIBUTES: key=value,key=value, percent-encoded. */
static int parse_extra(struct resource *r, const char *text)
{
	char *save = NULL, *pair;

	if (!text)
		return 0;
	r->text = strdup(text);
	if (!r->text)
		return -ENOMEM;
	for (pair = strtok_r(r->text, ",", &save);
	     pair && r->extra_count < RESOURCE_EXTRA;
	     pair = strtok_r(NULL, ",", &save)) {
		char *value = strchr(pair, '=');

		while (*pair == ' ')
			pair++;
		if (!value || value == pair)
			continue;
		*value++ = '\0';
		decode(pair);
		decode(value);
		r->extra[r->extra_count++] = (struct attr){ pair, value };
	}
	return 0;
}

int resource_init(struct resource *r, const struct options *o)
{
	memset(r, 0, sizeof(*r));
	if (gethostname(r->host_name, sizeof(r->host_name) - 1))
		snprintf(r->host_name, sizeof(r->host_name), "localhost");
	if (read_file("/etc/machine-id", r->host_id, sizeof(r->host_id)) <= 0)
		snprintf(r->host_id, sizeof(r->host_id), "%.127s", r->host_name);
	snprintf(r->self_name, sizeof(r->self_name), "%s",
		 o->service_name ? o->service_name : "assay");
	return parse_extra(r, o->resource_attributes);
}

/* Ours first: a key that the user gives too is the user's, but not the identity. */
static void add_common(const struct resource *r, struct point_group *g)
{
	points_attr(g, "host.name", r->host_name);
	points_attr(g, "host.id", r->host_id);
	for (size_t i = 0; i < r->extra_count; i++) {
		bool ours = false;

		for (size_t k = 0; k < g->attr_count; k++)
			ours |= strcmp(g->attrs[k].key, r->extra[i].key) == 0;
		if (!ours)
			points_attr(g, r->extra[i].key, r->extra[i].value);
	}
}

int resource_workload(const struct resource *r, struct workload *w,
		      struct point_group *g)
{
	const char *kind = workload_kind_name(w->id.kind);

	if (!w->instance &&
	    asprintf(&w->instance, "%s:%s", r->host_id, w->path ? w->path : kind) < 0) {
		w->instance = NULL;
		return -ENOMEM;
	}
	points_attr(g, "service.name", w->id.name);
	points_attr(g, "service.instance.id", w->instance);
	points_attr(g, "assay.workload.kind", kind);
	points_attr(g, "assay.workload.name", w->id.name);
	points_attr(g, "process.linux.cgroup", w->path);
	points_attr(g, "container.id", w->id.container_id);
	add_common(r, g);
	g->overflow = w->id.kind == WORKLOAD_OVERFLOW;
	return 0;
}

void resource_self(const struct resource *r, struct point_group *g)
{
	points_attr(g, "service.name", r->self_name);
	points_attr(g, "service.instance.id", r->host_id);
	points_attr(g, "service.version", ASSAY_VERSION);
	add_common(r, g);
}

void resource_fini(struct resource *r)
{
	free(r->text);
	r->text = NULL;
}
