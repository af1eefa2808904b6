// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "workload/identity.h"

#define SHORT_LEN 12 /* digits of an id in a name, as runtimes show it */

/* A part of the path. */
struct part {
	const char *s;
	size_t len;
};

/* The container that a component speaks of. */
struct container {
	struct part name;
	const char *id; /* NULL: it has none */
};

const char *workload_kind_name(enum workload_kind kind)
{
	static const char *const names[] = {
		[WORKLOAD_CONTAINER] = "container", [WORKLOAD_UNIT] = "unit",
		[WORKLOAD_CGROUP] = "cgroup",	    [WORKLOAD_KERNEL] = "kernel",
		[WORKLOAD_UNKNOWN] = "unknown",	    [WORKLOAD_OVERFLOW] = "overflow",
	};

	return names[kind];
}

static bool begins_with(struct part p, const char *s)
{
	return p.len > strlen(s) && !memcmp(p.s, s, strlen(s));
}

static bool ends_with(struct part p, const char *s)
{
	size_t n = strlen(s);

	return p.len > n && !memcmp(p.s + p.len - n, s, n);
}

static bool is(struct part p, const char *s)
{
	return p.len == strlen(s) && !memcmp(p.s, s, p.len);
}

/* What is left of it without a beginning and an end that it has. */
static struct part between(struct part p, const char *begin, const char *end)
{
	return (struct part){ p.s + strlen(begin),
			      p.len - strlen(begin) - strlen(end) };
}

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Finds 64 hexadecimal digits that stand alone; NULL: there are none. */
static const char *find_id(struct part p)
{
	size_t run = 0;

	for (size_t i = 0; i <= p.len; i++) {
		if (i < p.len && is_digit(p.s[i])) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID_LEN)
			return p.s + i - run;
		run = 0;
	}
	return NULL;
}

/* Does the component p, below `above`, begin a container? */
static bool find_container(struct part above, struct part p, struct container *c)
{
	const char *id = find_id(p);

	if (id && !ends_with(p, ".slice") && !begins_with(p, "libpod_pod_") &&
	    !memmem(p.s, p.len, "conmon", strlen("conmon"))) {
		*c = (struct container){ { id, SHORT_LEN }, id };
		return true;
	}
	c->id = NULL;
	if (begins_with(p, "lxc.payload."))
		c->name = between(p, "lxc.payload.", "");
	else if (is(above, "lxc.payload")) /* LXC 3 */
		c->name = p;
	else if (!is(p, "payload"))
		return false;
	else if (begins_with(above, "systemd-nspawn@") && ends_with(above, ".service"))
		c->name = between(above, "systemd-nspawn@", ".service");
	else if (begins_with(above, "machine-") && ends_with(above, ".scope"))
		c->name = between(above, "machine-", ".scope");
	else
		return false;
	return c->name.len > 0;
}

/* The next component behind p; s is NULL behind the last one. */
static struct part next_part(struct part p)
{
	const char *s = p.s + p.len;

	while (*s == '/')
		s++;
	return (struct part){ *s ? s : NULL, strcspn(s, "/") };
}

static bool is_unit(struct part p)
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice",
						".socket",  ".mount", ".swap" };

	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (ends_with(p, suffixes[i]))
			return true;
	return false;
}

/* The container's name; of a cgroup that it made below, both names. */
static char *name_inside(const struct container *c, struct part own, struct part last)
{
	bool same =
	    own.s == last.s || (is(last, "container") && next_part(own).s == last.s);
	char *name;

	if (asprintf(&name, "%.*s%s%.*s", (int)c->name.len, c->name.s, same ? "" : "/",
		     same ? 0 : (int)last.len, last.s) < 0)
		return NULL;
	return name;
}

int workload_identify(const char *path, struct workload_id *id)
{
	struct part above = { path, 0 }, last = above, own = above;
	struct container c, innermost = { .id = NULL };

	memset(id, 0, sizeof(*id));
	for (struct part p = next_part(last); p.s; p = next_part(p)) {
		above = last;
		last = p;
		if (find_container(above, p, &c)) {
			innermost = c;
			own = p;
		}
	}
	if (own.len) {
		id->kind = WORKLOAD_CONTAINER;
		if (innermost.id)
			memcpy(id->container_id, innermost.id, CONTAINER_ID_LEN);
		id->name = name_inside(&innermost, own, last);
	} else if (is_unit(last)) {
		id->kind = WORKLOAD_UNIT;
		id->name = strndup(last.s, last.len);
	} else {
		id->kind = WORKLOAD_CGROUP;
		id->name = strdup(last.len ? path + 1 : "/");
	}
	return id->name ? 0 : -ENOMEM;
}

void workload_id_fini(struct workload_id *id)
{
	free(id->name);
	id->name = NULL;
}
