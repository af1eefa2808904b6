/* SPDX-License-Identifier: Apache-2.0 */
/* A node's root directory with the files that name containers, and what is found there.
 */
#ifndef NODE_FILES_H
#define NODE_FILES_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/names_impl.h"

#define ID  "22d0b2f8154dd5edd2802eb36dec5717a5277d8735b35784aa2c147e8903678e"
#define ID2 "e3a604302db838ae5e4ffde9e9d7f3e606767cfc5da5c01aa516143741e44a0e"
#define UID "379560a2cb47f9b13c810328ff2bade1"
#define POD \
	"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID ".slice"

static inline void check_names(const struct names *n, const char *namespace,
			       const char *pod, const char *container,
			       const char *image)
{
	const char *got[] = { n->namespace, n->pod, n->container, n->image };
	const char *want[] = { namespace, pod, container, image };

	for (size_t i = 0; i < COUNT(got); i++) {
		assert_int_equal(!got[i], !want[i]);
		if (got[i])
			assert_string_equal(got[i], want[i]);
	}
}

/* A node's root directory, as far as names are concerned. */
struct node {
	char root[64];
	struct names_reader *reader;
};

static inline int open_node(void **state)
{
	struct node *node = calloc(1, sizeof(*node));

	strcpy(node->root, "/tmp/assay-names-XXXXXX");
	assert_non_null(mkdtemp(node->root));
	assert_int_equal(names_open(node->root, &node->reader), 0);
	*state = node;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	return remove(path);
}

static inline int close_node(void **state)
{
	struct node *node = *state;

	names_close(node->reader);
	nftw(node->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(node);
	return 0;
}

/* The path below the node's root, whose directories are made. */
static inline char *make(const struct node *node, const char *path)
{
	char *whole;

	assert_true(asprintf(&whole, "%s/%s", node->root, path) > 0);
	for (char *s = whole + strlen(node->root) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		assert_true(!mkdir(whole, 0755) || errno == EEXIST);
		*s = '/';
	}
	return whole;
}

static inline void put(const struct node *node, const char *path, const char *text)
{
	char *whole = make(node, path);
	FILE *f = fopen(whole, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(whole);
}

static inline void put_link(const struct node *node, const char *name,
			    const char *target)
{
	char path[512], *whole;

	snprintf(path, sizeof(path), "var/log/containers/%s", name);
	whole = make(node, path);
	assert_int_equal(symlink(target, whole), 0);
	free(whole);
}

static inline int find(const struct node *node, const char *cgroup, struct names **n)
{
	struct workload_id id;
	int err;

	assert_int_equal(workload_identify(cgroup, &id), 0);
	err = names_find(node->reader, &id, n);
	workload_id_fini(&id);
	return err;
}

static inline void expect(const struct node *node, const char *cgroup,
			  enum names_source source, const char *name)
{
	struct names *n;
	char *found;

	assert_int_equal(find(node, cgroup, &n), 0);
	assert_int_equal(n->source, source);
	found = names_of_workload(n);
	assert_string_equal(found, name);
	free(found);
	names_free(n);
}

#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, open_node, close_node)

#endif
