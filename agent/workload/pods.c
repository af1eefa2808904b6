// SPDX-License-Identifier: Apache-2.0
/*
 * An answer is cut into its pods while it comes: a byte's place follows from the
 * brackets that are open, and only what is in a pod is kept, until it is whole and can
 * be parsed. What stands around the pods is checked for its brackets alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "workload/pods_impl.h"

#define DEPTH_MAX 1000
#define ITEMS	  "items"

/* Depths, as numbers of open brackets: the list's, that of its pods, in a pod. */
enum { IN_LIST = 1, IN_ITEMS, IN_POD };

struct pods {
	struct pods_keep keep;
	struct pods_table table;
	uint64_t fed;
	unsigned int depth;
	bool in_string, escaped;
	bool in_items, has_items, ended;
	bool is_key;	    /* a colon stands behind the latest string of the list */
	char key[8];	    /* its beginning */
	size_t key_len;	    /* of that string, whole */
	char *pod;	    /* the JSON of the one that comes */
	size_t len, room;   /* of it */
	bool in_pod, skips; /* it is too large */
};

int pods_new(const struct pods_keep *keep, struct pods **out)
{
	struct pods *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->keep = *keep;
	*out = p;
	return 0;
}

/* More of the pod that comes. */
static int keep_bytes(struct pods *p, const char *data, size_t len)
{
	size_t room = p->room ? p->room : 4096;
	char *more;

	if (p->skips)
		return 0;
	if (len > PODS_POD_MAX - p->len) {
		p->skips = true;
		p->table.left_out++;
		return 0;
	}
	while (room < p->len + len)
		room *= 2;
	if (room != p->room) {
		more = realloc(p->pod, room);
		if (!more)
			return -ENOMEM;
		p->pod = more;
		p->room = room;
	}
	memcpy(p->pod + p->len, data, len);
	p->len += len;
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void in_string(struct pods *p, char c)
{
	if (p->escaped)
		p->escaped = false;
	else if (c == '\\')
		p->escaped = true;
	else if (c == '"')
		p->in_string = false;
	if (p->in_string && p->depth == IN_LIST) {
		if (p->key_len < sizeof(p->key))
			p->key[p->key_len] = c;
		p->key_len++;
	}
}

static bool is_items(const struct pods *p)
{
	return p->is_key && p->key_len == strlen(ITEMS) &&
	       !memcmp(p->key, ITEMS, strlen(ITEMS));
}

static int open_bracket(struct pods *p, char c)
{
	if ((!p->depth && c == '[') || p->depth == DEPTH_MAX)
		return -EBADMSG;
	if (p->depth == IN_LIST && c == '[' && is_items(p)) {
		if (p->has_items)
			return -EBADMSG;
		p->in_items = p->has_items = true;
	}
	p->depth++;
	if (p->in_items && p->depth == IN_POD) {
		if (c == '[')
			return -EBADMSG;
		p->in_pod = true;
		p->skips = false;
		p->len = 0;
	}
	return 0;
}

static int close_bracket(struct pods *p)
{
	if (!p->depth)
		return -EBADMSG;
	p->depth--;
	if (p->depth == IN_LIST)
		p->in_items = false;
	p->ended = !p->depth;
	return 0;
}

/* A byte of the list itself; *p->in_pod changes with it. */
static int step(struct pods *p, char c)
{
	if (p->in_string) {
		in_string(p, c);
		return 0;
	}
	if (is_space(c))
		return 0;
	if (c == '{' || c == '[')
		return p->ended ? -EBADMSG : open_bracket(p, c);
	if (c == '}' || c == ']')
		return close_bracket(p);
	if (!p->depth || (p->in_items && p->depth == IN_ITEMS && c != ','))
		return -EBADMSG;
	if (c == '"') {
		p->in_string = true;
		if (p->depth == IN_LIST) {
			p->key_len = 0;
			p->is_key = false;
		}
	} else if (p->depth == IN_LIST && c == ':') {
		p->is_key = true;
	} else if (c == 'n' && p->depth == IN_LIST && is_items(p)) {
		p->has_items = true; /* null: a node without pods */
	}
	return 0;
}

/* A pod is whole. */
static int end_pod(struct pods *p)
{
	p->in_pod = false;
	return p->skips ? 0 : pods_parse(&p->table, &p->keep, p->pod, p->len);
}

int pods_feed(struct pods *p, const char *data, size_t len)
{
	size_t begin = 0; /* of what is in the pod that comes */
	int err = 0;

	if (len > PODS_ANSWER_MAX - p->fed)
		return -EFBIG;
	p->fed += len;
	for (size_t i = 0; i < len && !err; i++) {
		bool was_in = p->in_pod;

		err = step(p, data[i]);
		if (!was_in && p->in_pod)
			begin = i;
		if (!err && was_in && p->depth < IN_POD) {
			err = keep_bytes(p, data + begin, i + 1 - begin);
			if (!err)
				err = end_pod(p);
		}
	}
	if (!err && p->in_pod)
		err = keep_bytes(p, data + begin, len - begin);
	return err;
}

int pods_end(struct pods *p)
{
	free(p->pod);
	p->pod = NULL;
	p->len = p->room = 0;
	if (!p->ended || !p->has_items)
		return -EBADMSG;
	pods_table_sort(&p->table);
	return 0;
}

int pods_find(const struct pods *p, const char *container, const char *uid,
	      struct names **out)
{
	return pods_table_find(&p->table, container, uid, out);
}

void pods_count(const struct pods *p, struct pods_counts *counts)
{
	counts->pods = p->table.pod_count;
	counts->containers = p->table.container_count;
	counts->left_out = p->table.left_out;
}

void pods_free(struct pods *p)
{
	if (!p)
		return;
	pods_table_fini(&p->table);
	free(p->pod);
	free(p);
}
