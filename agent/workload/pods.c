// SPDX-License-Identifier: Apache-2.0
/*
 * An answer is cut into its pods while it comes: a byte's place follows from the
 * brackets that are open, and only what is in a pod is kept, until it is whole and can
 * be parsed. Most of a pod is what nobody asks for (volumes, environment, conditions):
 * values of other keys than those below are left out of what is parsed, which takes
 * half of the time. They, and what stands around the pods, are checked for their
 * brackets alone. A pod that is as the answer before had it is not parsed again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/fingerprint.h"
#include "base/util.h"
#include "workload/pods_impl.h"

#define DEPTH_MAX 1000
#define ITEMS	  "items"

/*
 * Depths, as numbers of open brackets: the list's, that of its pods, in a pod, in its
 * metadata, spec or status, and in one of a list that is there.
 */
enum { IN_LIST = 1, IN_ITEMS, IN_POD, IN_PART, IN_MEMBER = 6 };

static const char *const part_keys[] = {
	"name",
	"namespace",
	"uid",
	"labels",
	"annotations",
	"ownerReferences",
	"nodeName",
	"containers",
	"initContainers",
	"ephemeralContainers",
	"containerStatuses",
	"initContainerStatuses",
	"ephemeralContainerStatuses",
};
static const char *const member_keys[] = {
	"name",	 "image",     "containerID", "restartCount",
	"state", "lastState", "kind",	     "controller",
};

struct pods {
	struct pods_keep keep;
	struct pods_table table;
	const struct pods *before; /* the answer before; NULL: none */
	uint64_t key;		   /* of fingerprints; as there */
	size_t kept;
	uint64_t fed;
	unsigned int depth;
	bool in_string, escaped;
	bool in_items, has_items, ended;
	unsigned int skipping; /* depth of a key whose value is left out; 0: none */
	bool is_key;	    /* a colon stands behind the latest string at has_keys() */
	char name[32];	    /* its beginning */
	size_t name_len;    /* of that string, whole */
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
	if (fingerprint_key(&p->key))
		p->key = 0; /* then none is known again */
	*out = p;
	return 0;
}

void pods_follow(struct pods *p, const struct pods *before)
{
	p->before = before;
	p->key = before->key;
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

/* Are keys looked at where it is? */
static bool has_keys(const struct pods *p)
{
	return p->depth == IN_LIST || (p->in_pod && !p->skipping &&
				       (p->depth == IN_PART || p->depth == IN_MEMBER));
}

static void add_to_key(struct pods *p, const char *data, size_t len)
{
	size_t room = sizeof(p->name) - p->name_len;

	if (!has_keys(p))
		return;
	if (p->name_len < sizeof(p->name))
		memcpy(p->name + p->name_len, data, len < room ? len : room);
	p->name_len += len;
}

static void in_string(struct pods *p, char c)
{
	if (p->escaped)
		p->escaped = false;
	else if (c == '\\')
		p->escaped = true;
	else if (c == '"')
		p->in_string = false;
	if (p->in_string)
		add_to_key(p, &c, 1);
}

/* How many bytes are nothing but more of the string that is open. */
static size_t pass_string(struct pods *p, const char *data, size_t len)
{
	size_t n = 0;

	if (!p->in_string || p->escaped)
		return 0;
	while (n < len && data[n] != '"' && data[n] != '\\')
		n++;
	add_to_key(p, data, n);
	return n;
}

static bool key_is(const struct pods *p, const char *key)
{
	size_t len = strlen(key);

	return p->is_key && p->name_len == len && !memcmp(p->name, key, len);
}

/* Does anybody ask for the value of this key of a pod's? */
static bool is_asked_for(const struct pods *p)
{
	const char *const *keys = p->depth == IN_PART ? part_keys : member_keys;
	size_t count = p->depth == IN_PART ? COUNT(part_keys) : COUNT(member_keys);

	for (size_t i = 0; i < count; i++)
		if (key_is(p, keys[i]))
			return true;
	return false;
}

static int open_bracket(struct pods *p, char c)
{
	if ((!p->depth && c == '[') || p->depth == DEPTH_MAX)
		return -EBADMSG;
	if (p->depth == IN_LIST && c == '[' && key_is(p, ITEMS)) {
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
	if (p->depth < p->skipping)
		p->skipping = 0;
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
		if (has_keys(p)) {
			p->name_len = 0;
			p->is_key = false;
		}
	} else if (c == ':' && has_keys(p)) {
		p->is_key = true;
		if (p->depth != IN_LIST && !is_asked_for(p))
			p->skipping = p->depth;
	} else if (c == ',' && p->depth == p->skipping) {
		p->skipping = 0;
	} else if (c == 'n' && p->depth == IN_LIST && key_is(p, ITEMS)) {
		p->has_items = true; /* null: a node without pods */
	}
	return 0;
}

/* A pod is whole. */
static int end_pod(struct pods *p)
{
	uint64_t mark;
	int err = -ENOENT;

	p->in_pod = false;
	if (p->skips)
		return 0;
	mark = p->key ? fingerprint(p->key, p->pod, p->len) : 0;
	if (p->before && mark)
		err = pods_table_take(&p->table, &p->before->table, mark);
	p->kept += !err;
	return err == -ENOENT ? pods_parse(&p->table, &p->keep, mark, p->pod, p->len)
			      : err;
}

/* A byte of a pod: what stands before it, from *begin on, is kept or left out. */
static int step_in_pod(struct pods *p, const char *data, size_t i, size_t *begin)
{
	bool was_skipping = p->skipping;
	int err = step(p, data[i]);

	if (!err && !was_skipping && p->skipping) {
		err = keep_bytes(p, data + *begin, i + 1 - *begin);
		if (!err)
			err = keep_bytes(p, "0", 1); /* stands for the value */
	}
	if (was_skipping && !p->skipping)
		*begin = i;
	if (err || p->depth >= IN_POD)
		return err;
	err = keep_bytes(p, data + *begin, i + 1 - *begin);
	return err ? err : end_pod(p);
}

int pods_feed(struct pods *p, const char *data, size_t len)
{
	size_t begin = 0; /* of what is in the pod that comes */
	int err = 0;

	if (len > PODS_ANSWER_MAX - p->fed)
		return -EFBIG;
	p->fed += len;
	for (size_t i = 0; i < len && !err; i++) {
		i += pass_string(p, data + i, len - i);
		if (i == len)
			break;
		if (p->in_pod) {
			err = step_in_pod(p, data, i, &begin);
		} else {
			err = step(p, data[i]);
			begin = i;
		}
	}
	if (!err && p->in_pod && !p->skipping)
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
	p->before = NULL;
	return pods_table_sort(&p->table);
}

int pods_find(const struct pods *p, const char *container, const char *uid,
	      struct names **out)
{
	return pods_table_find(&p->table, container, uid, out);
}

enum pods_known pods_knows(const struct pods *p, const char *container, const char *uid)
{
	return pods_table_knows(&p->table, container, uid);
}

void pods_count(const struct pods *p, struct pods_counts *counts)
{
	counts->pods = p->table.pod_count;
	counts->containers = p->table.container_count;
	counts->kept = p->kept;
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
