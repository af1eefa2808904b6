/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the kubelet's to /pods, and what is found in them. */
#ifndef SOME_PODS_H
#define SOME_PODS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "workload/names_impl.h"
#include "workload/pods.h"

#define ID    "22d0b2f8154dd5edd2802eb36dec5717a5277d8735b35784aa2c147e8903678e"
#define ID2   "e3a604302db838ae5e4ffde9e9d7f3e606767cfc5da5c01aa516143741e44a0e"
#define ID3   "0000000000000000000000000000000000000000000000000000000000000003"
#define UID   "379560a2-cb47-f9b1-3c81-0328ff2bade1"
#define HASH  "379560a2cb47f9b13c810328ff2bade1"
#define OTHER "11111111-cb47-f9b1-3c81-0328ff2bade1"

#define META(more)                                                               \
	"\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-0\",\"uid\":\"" UID \
	"\"" more "}"
#define LIST(...) "{\"kind\":\"PodList\",\"items\":[" __VA_ARGS__ "]}"
#define STATUS(id, more) \
	"{\"name\":\"app\",\"containerID\":\"containerd://" id "\"" more "}"

static const struct pods_keep none;

static inline struct names *find(const struct pods *p, const char *id, const char *uid)
{
	struct names *n;

	assert_int_equal(pods_find(p, id, uid, &n), 0);
	assert_int_equal(n->source, NAMES_KUBELET);
	return n;
}

static inline void same(const char *got, const char *want)
{
	assert_int_equal(!got, !want);
	if (got)
		assert_string_equal(got, want);
}

static inline void is_called(const struct names *n, const char *want)
{
	char *name = names_of_workload(n);

	same(name, want);
	free(name);
}

static inline void expect_counts(const struct pods *p, size_t pods, size_t containers,
				 size_t left_out)
{
	struct pods_counts c;

	pods_count(p, &c);
	assert_int_equal(c.pods, pods);
	assert_int_equal(c.containers, containers);
	assert_int_equal(c.left_out, left_out);
}

#endif
