// SPDX-License-Identifier: Apache-2.0
/* The JSON of one pod (v1.Pod of Kubernetes' API) into the table. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/pods_impl.h"

#define PAIRS	    32	/* labels, and annotations, of one pod */
#define VALUE_MAX   256 /* bytes; a label's value has 63 at most */
#define HASH_LABEL  "pod-template-hash"
#define OTEL_PREFIX "resource.opentelemetry.io/"

/* Kept whatever the options say: the rule for names of services needs them. */
static const char *const labels[] = {
	"app.kubernetes.io/name",
	"app.kubernetes.io/instance",
	"app.kubernetes.io/version",
};

/* Of a static pod: who its cgroup is, and who stands for it in the API. */
static const char *const uid_notes[] = {
	"kubernetes.io/config.hash",
	"kubernetes.io/config.mirror",
};

/* What the parser may still take in this thread; NULL: as much as there is. */
static __thread size_t *parse_left;

static void *take(size_t size)
{
	if (parse_left) {
		*parse_left -= size < *parse_left ? size : *parse_left;
		if (!*parse_left)
			return NULL;
	}
	return malloc(size);
}

void pods_prepare(void)
{
	json_set_alloc_funcs(take, free);
}

static const json_t *get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

/* A string that is a name; NULL: there is none. Owned by the caller. */
static char *word(const json_t *object, const char *key)
{
	const json_t *s = get(object, key);

	return json_is_string(s)
		   ? names_word(json_string_value(s), json_string_length(s))
		   : NULL;
}

/* Text, as it may be a value: one line of UTF-8. */
static bool is_value(const json_t *s)
{
	const char *text = json_string_value(s);
	size_t len = json_string_length(s);

	if (!text || len > VALUE_MAX || strlen(text) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]))
			return false;
	return text_is_utf8(text);
}

/* Is the key in a list with commas between? */
static bool is_listed(const char *list, const char *key)
{
	size_t len = strlen(key), n;

	for (; list; list = list[n] ? list + n + 1 : NULL) {
		n = strcspn(list, ",");
		if (n == len && !memcmp(list, key, n))
			return true;
	}
	return false;
}

static bool keeps_label(const struct pods_keep *keep, const char *key)
{
	for (size_t i = 0; i < COUNT(labels); i++)
		if (!strcmp(labels[i], key))
			return true;
	return is_listed(keep->labels, key);
}

static bool keeps_annotation(const struct pods_keep *keep, const char *key)
{
	return !strncmp(key, OTEL_PREFIX, strlen(OTEL_PREFIX)) ||
	       is_listed(keep->annotations, key);
}

/* Those of an object that are kept. -ENOMEM. */
static bool is_key(const char *key)
{
	size_t len = strlen(key);

	return len <= PODS_KEY_MAX && names_is_word(key, len);
}

static int take_pairs(struct pods_table *t, const struct pods_keep *keep,
		      bool (*keeps)(const struct pods_keep *keep, const char *key),
		      const json_t *object, struct name_pair **pairs, size_t *count)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		struct name_pair *p;

		if (!keeps(keep, key))
			continue;
		if (*count == PAIRS || !is_value(value) || !is_key(key)) {
			t->left_out++;
			continue;
		}
		if (!*pairs)
			*pairs = calloc(PAIRS, sizeof(**pairs));
		if (!*pairs)
			return -ENOMEM;
		p = &(*pairs)[*count];
		p->key = names_word(key, strlen(key));
		p->value = strdup(json_string_value(value));
		++*count;
		if (!p->key || !p->value)
			return -ENOMEM;
	}
	return 0;
}

/* The object that controls the pod, else the first of its owners. */
static const json_t *owner_of(const json_t *meta)
{
	const json_t *list = get(meta, "ownerReferences");
	json_t *owner;
	size_t i;

	json_array_foreach((json_t *)list, i, owner)
	{
		if (json_is_true(get(owner, "controller")))
			return owner;
	}
	return json_array_get(list, 0);
}

/* The beginning of a name before "-END"; NULL: it does not end so. */
static char *before(const char *name, const char *end)
{
	size_t len = strlen(name), n = end ? strlen(end) : 0;

	if (!n || len < n + 2 || name[len - n - 1] != '-' ||
	    strcmp(name + len - n, end) != 0)
		return NULL;
	return names_word(name, len - n - 1);
}

/* Static pods are the node's, which is no owner to anybody who asks. */
static void take_owner(struct names *n, const json_t *meta)
{
	const json_t *owner = owner_of(meta);
	const char *hash = json_string_value(get(get(meta, "labels"), HASH_LABEL));

	n->owner_kind = word(owner, "kind");
	n->owner = word(owner, "name");
	if (!n->owner_kind || !n->owner || !strcmp(n->owner_kind, "Node")) {
		free(n->owner_kind);
		free(n->owner);
		n->owner_kind = n->owner = NULL;
		return;
	}
	if (!strcmp(n->owner_kind, "ReplicaSet"))
		n->deployment = before(n->owner, hash);
}

static bool is_uid(const char *s)
{
	size_t len = s ? strlen(s) : 0;

	return len && len <= POD_UID_LEN && strspn(s, "0123456789abcdef-") == len;
}

/* The pod without its containers; *pod: its number. */
static int take_pod(struct pods_table *t, const struct pods_keep *keep,
		    const json_t *json, uint32_t *pod)
{
	const json_t *meta = get(json, "metadata");
	struct names *n = names_new();
	int err = -ENOMEM;

	if (n) {
		n->source = NAMES_KUBELET;
		n->namespace = word(meta, "namespace");
		n->pod = word(meta, "name");
		n->node = word(get(json, "spec"), "nodeName");
		take_owner(n, meta);
		err = take_pairs(t, keep, keeps_label, get(meta, "labels"), &n->labels,
				 &n->label_count);
		if (!err)
			err = take_pairs(t, keep, keeps_annotation,
					 get(meta, "annotations"), &n->annotations,
					 &n->annotation_count);
	}
	if (err || !names_in_pod(n)) {
		names_free(n);
		t->left_out += !err;
		return err ? err : -ENOSPC;
	}
	return pods_table_pod(t, n, pod);
}

static int take_uids(struct pods_table *t, const json_t *meta, uint32_t pod)
{
	const char *uid = json_string_value(get(meta, "uid"));
	const json_t *notes = get(meta, "annotations");
	int err = 0;

	if (is_uid(uid))
		err = pods_table_uid(t, uid, pod);
	for (size_t i = 0; i < COUNT(uid_notes) && err != -ENOMEM; i++) {
		const char *other = json_string_value(get(notes, uid_notes[i]));

		if (is_uid(other) && (!uid || strcmp(uid, other) != 0))
			err = pods_table_uid(t, other, pod);
	}
	return err == -ENOMEM ? err : 0;
}

/* "containerd://ID": NULL: there is none, or it is no id as cgroups have it. */
static const char *container_id(struct pods_table *t, const json_t *object)
{
	const char *s = json_string_value(get(object, "containerID"));
	const char *id = s ? strstr(s, "://") : NULL;

	if (!s || !*s) /* not made yet */
		return NULL;
	if (id && strlen(id + 3) == CONTAINER_ID_LEN &&
	    strspn(id + 3, "0123456789abcdef") == CONTAINER_ID_LEN)
		return id + 3;
	t->left_out++;
	return NULL;
}

/* The image that the pod's spec asks for. */
static const char *asked_image(const json_t *spec, const char *list, const char *name)
{
	json_t *c;
	size_t i;

	json_array_foreach(get(spec, list), i, c)
	{
		const char *s = json_string_value(get(c, "name"));

		if (s && !strcmp(s, name))
			return json_string_value(get(c, "image"));
	}
	return NULL;
}

/* A container's image, tag and digest; from the spec, where its status has only a
 * digest. */
static void take_image(struct pods_container *c, const char *image, const char *asked)
{
	struct names n = { 0 };

	if (image)
		names_set_image(&n, image);
	if (!n.image && asked)
		names_set_image(&n, asked);
	c->image = n.image;
	c->tag = n.tag;
	c->digest = n.digest;
}

static int add_container(struct pods_table *t, uint32_t pod, const json_t *status,
			 const char *asked, const char *id, int restarts)
{
	struct pods_container c = { .pod = pod, .restarts = restarts };
	int err;

	c.name = word(status, "name");
	if (!c.name) {
		t->left_out++;
		return 0;
	}
	strcpy(c.id, id);
	take_image(&c, json_string_value(get(status, "image")), asked);
	err = pods_table_container(t, &c);
	return err == -ENOSPC ? 0 : err;
}

/*
 * A container as it is now, and as it was before its latest start: cgroups of that one
 * may not have been exported yet.
 */
static int take_status(struct pods_table *t, uint32_t pod, const json_t *status,
		       const char *asked, size_t *known)
{
	json_int_t count = json_integer_value(get(status, "restartCount"));
	int restarts = count < 0 || count > INT32_MAX ? -1 : count, err = 0;
	const char *now = container_id(t, status);
	const char *past = container_id(t, get(get(status, "lastState"), "terminated"));

	if (!now)
		now = container_id(t, get(get(status, "state"), "terminated"));
	*known += now != NULL;
	if (now)
		err = add_container(t, pod, status, asked, now, restarts);
	if (!err && past && (!now || strcmp(now, past) != 0))
		err = add_container(t, pod, status, asked, past,
				    restarts > 0 ? restarts - 1 : restarts);
	return err;
}

static int take_containers(struct pods_table *t, const json_t *json, uint32_t pod)
{
	static const char *const lists[][2] = {
		{ "containerStatuses", "containers" },
		{ "initContainerStatuses", "initContainers" },
		{ "ephemeralContainerStatuses", "ephemeralContainers" },
	};
	size_t known = 0, wanted = 0, k;
	json_t *status;
	int err = 0;

	for (size_t i = 0; i < COUNT(lists); i++) {
		wanted += json_array_size(get(get(json, "spec"), lists[i][1]));
		json_array_foreach(get(get(json, "status"), lists[i][0]), k, status)
		{
			const char *name = json_string_value(get(status, "name"));

			if (!err)
				err = take_status(t, pod, status,
						  name ? asked_image(get(json, "spec"),
								     lists[i][1], name)
						       : NULL,
						  &known);
		}
	}
	t->pods[pod].names->whole = wanted && known == wanted;
	return err;
}

static int take_all(struct pods_table *t, const struct pods_keep *keep,
		    const json_t *json, uint64_t mark)
{
	size_t left_out = t->left_out, no_room = t->no_room;
	uint32_t pod;
	int err = take_pod(t, keep, json, &pod);

	if (err)
		return err;
	err = take_uids(t, get(json, "metadata"), pod);
	if (!err)
		err = take_containers(t, json, pod);
	t->pods[pod].left_out = t->left_out - left_out;
	if (t->no_room == no_room)
		t->pods[pod].mark = mark;
	return err;
}

int pods_parse(struct pods_table *t, const struct pods_keep *keep, uint64_t mark,
	       const char *text, size_t len)
{
	size_t left = PODS_JSON_MAX;
	json_t *json;
	int err;

	parse_left = &left;
	json = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	parse_left = NULL;
	if (!json) {
		if (left)
			return -EBADMSG;
		t->left_out++;
		return 0;
	}
	err = take_all(t, keep, json, mark);
	json_decref(json);
	return err == -ENOSPC ? 0 : err;
}
