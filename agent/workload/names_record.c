// SPDX-License-Identifier: Apache-2.0
/* What is known of one container: made, copied, asked and freed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "workload/names_impl.h"

#define NAME_LEN 512 /* an image with its registry; names are 253 at most */

/* The strings of struct names. */
static const size_t strings[] = {
	offsetof(struct names, namespace),  offsetof(struct names, pod),
	offsetof(struct names, container),  offsetof(struct names, image),
	offsetof(struct names, tag),	    offsetof(struct names, digest),
	offsetof(struct names, owner_kind), offsetof(struct names, owner),
	offsetof(struct names, deployment), offsetof(struct names, node),
};

static char **string_of(const struct names *n, size_t i)
{
	return (char **)((char *)n + strings[i]);
}

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n)
		n->restarts = -1;
	return n;
}

static void free_pairs(struct name_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

void names_clear(struct names *n)
{
	for (size_t i = 0; i < COUNT(strings); i++)
		free(*string_of(n, i));
	free_pairs(n->labels, n->label_count);
	free_pairs(n->annotations, n->annotation_count);
	memset(n, 0, sizeof(*n));
	n->restarts = -1;
}

void names_free(struct names *n)
{
	if (n)
		names_clear(n);
	free(n);
}

/* false: no memory, and *out is to be freed. */
static bool copy_pairs(struct name_pair **out, size_t *out_count,
		       const struct name_pair *from, size_t count)
{
	if (!count)
		return true;
	*out = calloc(count, sizeof(**out));
	if (!*out)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct name_pair *p = &(*out)[(*out_count)++];

		p->key = strdup(from[i].key);
		p->value = strdup(from[i].value);
		if (!p->key || !p->value)
			return false;
	}
	return true;
}

struct names *names_copy(const struct names *from)
{
	struct names *n = names_new();
	bool ok = n != NULL;

	for (size_t i = 0; ok && i < COUNT(strings); i++)
		if (*string_of(from, i))
			ok = (*string_of(n, i) = strdup(*string_of(from, i))) != NULL;
	ok = ok &&
	     copy_pairs(&n->labels, &n->label_count, from->labels, from->label_count) &&
	     copy_pairs(&n->annotations, &n->annotation_count, from->annotations,
			from->annotation_count);
	if (!ok) {
		names_free(n);
		return NULL;
	}
	n->sandbox = from->sandbox;
	n->restarts = from->restarts;
	n->awaited = from->awaited;
	n->whole = from->whole;
	n->told_ns = from->told_ns;
	n->source = from->source;
	return n;
}

/* Those of the image belong together: tag and digest are taken for the same image only.
 */
static bool may_take(const struct names *n, const struct names *more, size_t i)
{
	if (strings[i] == offsetof(struct names, tag) ||
	    strings[i] == offsetof(struct names, digest))
		return n->image && more->image && !strcmp(n->image, more->image);
	if (strings[i] == offsetof(struct names, container))
		return !n->sandbox;
	return true;
}

int names_fill(struct names *n, const struct names *more)
{
	for (size_t i = 0; i < COUNT(strings); i++) {
		char **to = string_of(n, i), *from = *string_of(more, i);

		if (*to || !from || !may_take(n, more, i))
			continue;
		*to = strdup(from);
		if (!*to)
			return -ENOMEM;
	}
	if (n->restarts < 0)
		n->restarts = more->restarts;
	n->whole = more->whole;
	n->told_ns = more->told_ns;
	if ((!n->label_count && !copy_pairs(&n->labels, &n->label_count, more->labels,
					    more->label_count)) ||
	    (!n->annotation_count &&
	     !copy_pairs(&n->annotations, &n->annotation_count, more->annotations,
			 more->annotation_count)))
		return -ENOMEM;
	return 0;
}

void names_keep_pod(struct names *n)
{
	char **of_container[] = { &n->container, &n->image, &n->tag, &n->digest };

	for (size_t i = 0; i < COUNT(of_container); i++) {
		free(*of_container[i]);
		*of_container[i] = NULL;
	}
	n->sandbox = false;
	n->restarts = -1;
}

static const char *value_of(const struct name_pair *pairs, size_t count,
			    const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(pairs[i].key, key))
			return pairs[i].value;
	return NULL;
}

const char *names_label(const struct names *n, const char *key)
{
	return value_of(n->labels, n->label_count, key);
}

const char *names_annotation(const struct names *n, const char *key)
{
	return value_of(n->annotations, n->annotation_count, key);
}

bool names_in_pod(const struct names *n)
{
	return n->namespace && n->pod;
}

char *names_of_workload(const struct names *n)
{
	char *name;
	int len;

	if (!names_in_pod(n))
		return n->container ? strdup(n->container) : NULL;
	if (n->sandbox || !n->container)
		len = asprintf(&name, "%s/%s", n->namespace, n->pod);
	else
		len = asprintf(&name, "%s/%s/%s", n->namespace, n->pod, n->container);
	return len < 0 ? NULL : name;
}

bool names_is_word(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return len && len < NAME_LEN;
}

char *names_word(const char *s, size_t len)
{
	return names_is_word(s, len) ? strndup(s, len) : NULL;
}

bool names_copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

void names_set_image(struct names *n, const char *image)
{
	const char *slash = strrchr(image, '/'), *end, *tag;

	free(n->image);
	free(n->tag);
	free(n->digest);
	n->image = n->tag = n->digest = NULL;
	if (!strncmp(image, "sha256:", strlen("sha256:")))
		return;
	end = (slash ? slash : image) + strcspn(slash ? slash : image, ":@");
	n->image = names_word(image, end - image);
	if (*end == ':') {
		tag = end + 1;
		end = tag + strcspn(tag, "@");
		n->tag = names_word(tag, end - tag);
	}
	if (*end == '@')
		n->digest = names_word(end + 1, strlen(end + 1));
}

const char *names_source_name(enum names_source source)
{
	static const char *const names[] = {
		[NAMES_BUNDLE] = "bundle",   [NAMES_DOCKER] = "docker",
		[NAMES_PODMAN] = "podman",   [NAMES_LOG] = "log",
		[NAMES_KUBELET] = "kubelet", [NAMES_POD_LOG] = "pod-log",
	};

	return names[source];
}
