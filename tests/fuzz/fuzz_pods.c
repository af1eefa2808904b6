// SPDX-License-Identifier: Apache-2.0
/*
 * An answer of the kubelet's to /pods, which comes in pieces: the first byte tells of
 * what size. Whole or in pieces it is the same.
 */
#include "workload/pods.h"
#include "fuzz.h"

#define ID  "753177d1b9b1a921bdbc785cdb1252698508b301a4e35c5274719f286659bfa9"
#define UID "379560a2cb47f9b13c810328ff2bade1"

static void check(const char *name)
{
	for (; name && *name; name++)
		CHECK(*name > ' ' && *name <= '~');
}

static void check_found(const struct pods *p)
{
	struct names *n;
	char *name;

	if (pods_find(p, ID, UID, &n))
		return;
	check(n->namespace);
	check(n->pod);
	check(n->container);
	check(n->image);
	check(n->owner);
	check(n->deployment);
	name = names_of_workload(n);
	CHECK(name && names_in_pod(n) && n->restarts >= -1);
	free(name);
	names_free(n);
}

/* 0: it is a list of pods, and counts are what it has. The answer before may be NULL.
 */
static int read_all(const char *text, size_t size, size_t piece,
		    const struct pods *before, struct pods_counts *counts,
		    struct pods **out)
{
	struct pods_keep keep = { "a,team", "note" };
	struct pods *p;
	int err;

	memset(counts, 0, sizeof(*counts));
	CHECK(!pods_new(&keep, &p));
	if (before)
		pods_follow(p, before);
	err = 0;
	for (size_t at = 0; at < size && !err; at += piece)
		err = pods_feed(p, text + at, size - at < piece ? size - at : piece);
	if (!err)
		err = pods_end(p);
	*out = NULL;
	if (err) {
		pods_free(p);
		return err;
	}
	pods_count(p, counts);
	CHECK(counts->pods <= PODS_MAX && counts->containers <= PODS_CONTAINERS);
	check_found(p);
	*out = p;
	return 0;
}

/* Whole or in pieces, parsed or kept from the answer before. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pods_counts whole, pieces;
	size_t piece = size && *data != '{' ? *data : 7;
	struct pods *p, *again;
	int err;

	pods_prepare();
	if (!size)
		data = (const uint8_t *)"";
	if (size && *data != '{')
		data++, size--;
	err = read_all((const char *)data, size, size + 1, NULL, &whole, &p);
	CHECK(read_all((const char *)data, size, piece ? piece : 1, p, &pieces,
		       &again) == err);
	CHECK(!whole.kept && pieces.kept <= pieces.pods);
	whole.kept = pieces.kept;
	CHECK(!memcmp(&whole, &pieces, sizeof(whole)));
	pods_free(p);
	pods_free(again);
	return 0;
}
