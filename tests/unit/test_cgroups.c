// SPDX-License-Identifier: Apache-2.0
/* Paths of cgroup ids, out of a tree and a ring of our own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "bpf/delegates.h"
#include "reading/path_index.h"
#include "reading/snapshot.h"
#include "workload/workload.h"

static struct {
	char root[64];
	struct cgroup_names names;
	struct cells cells;
	struct cgroups *cgroups;
} with;

static uint64_t make(const char *path)
{
	char full[256];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", with.root, path);
	if (*path)
		assert_int_equal(mkdir(full, 0755), 0);
	assert_int_equal(stat(full, &st), 0);
	return st.st_ino;
}

static void drop(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", with.root, path);
	assert_int_equal(rmdir(full), 0);
}

/* What the kernel side reports of a new cgroup, */
static void report_made(uint64_t id, uint64_t parent, const char *path)
{
	struct cgroup_name *n = &with.names.ring[with.names.head++ % NAME_RING];

	n->seq += 2;
	n->id = id;
	n->parent = parent;
	snprintf(n->path, sizeof(n->path), "%s", path);
}

/* and of one that was removed. */
static void report_gone(uint64_t id)
{
	with.names.gone[with.names.gone_head++ % GONE_RING] = id;
}

static int begin(void **state)
{
	memset(&with, 0, sizeof(with));
	strcpy(with.root, "/tmp/assay-cgroups-XXXXXX");
	assert_non_null(mkdtemp(with.root));
	with.cells.names = &with.names;
	return 0;
}

static int end(void **state)
{
	cgroups_close(with.cgroups);
	return rmdir(with.root);
}

static void open_cgroups(void)
{
	assert_int_equal(cgroups_open(with.root, &with.cells, &with.cgroups), 0);
}

static const char *path_of(uint64_t id)
{
	return cgroups_path(with.cgroups, id);
}

static void the_tree_is_walked_once_for_a_miss(void **state)
{
	uint64_t a = make("/a"), b, c, root = make("");

	open_cgroups();
	assert_string_equal(path_of(a), "/a");
	assert_string_equal(path_of(root), "/");
	b = make("/a/b");
	assert_null(path_of(b)); /* opening it was a walk */
	cgroups_refresh(with.cgroups);
	assert_string_equal(path_of(b), "/a/b");
	c = make("/a/c");
	assert_null(path_of(c)); /* only once until it is refreshed */
	drop("/a/b");
	cgroups_refresh(with.cgroups);
	assert_string_equal(path_of(c), "/a/c");
	assert_string_equal(path_of(b), "/a/b"); /* its last events may come yet */
	assert_false(cgroups_exists(with.cgroups, "/a/b", b));
	assert_true(cgroups_was_there(with.cgroups, a));
	assert_false(cgroups_was_there(with.cgroups, b));
	drop("/a/c");
	drop("/a");
}

static void names_of_the_ring_stand_below_their_parents(void **state)
{
	char cut[256], want[PATH_MAX];
	uint64_t a = make("/a");

	open_cgroups();
	memset(cut, 'x', sizeof(cut) - 1);
	cut[255] = '\0';
	report_made(~1ULL, a, cut);		/* its path was too long: 255 bytes */
	report_made(~2ULL, ~1ULL, "b");		/* as is its child's */
	report_made(~3ULL, ~2ULL, "/host/a/d"); /* whole, in the host's tree */
	snprintf(want, sizeof(want), "/a/%s/b/d", cut);
	assert_string_equal(path_of(~3ULL), want);
	want[strlen(want) - 2] = '\0';
	assert_string_equal(path_of(~2ULL), want);
	drop("/a");
}

static void a_path_of_4095_bytes_is_whole_and_a_longer_one_is_none(void **state)
{
	char part[255 + 1];
	uint64_t id = make("");

	open_cgroups();
	memset(part, 'y', 255);
	part[255] = '\0';
	for (int i = 1; i <= 15; i++) { /* 15 times 256 bytes */
		report_made(~(uint64_t)i, id, part);
		id = ~(uint64_t)i;
	}
	part[254] = '\0'; /* 255 bytes more: 4095 */
	report_made(~100ULL, id, part);
	part[254] = 'y';
	report_made(~101ULL, id, part); /* 4096 */
	report_made(~102ULL, ~101ULL, "z");
	assert_non_null(path_of(~100ULL));
	assert_int_equal(strlen(path_of(~100ULL)), 4095);
	assert_null(path_of(~101ULL));
	assert_null(path_of(~102ULL));
}

/* Whoever may make cgroups chooses how long their paths are. */
static void a_long_path_takes_no_more_memory_than_its_own_name(void **state)
{
	uint64_t id = make(""), leaf = 1ULL << 50;
	char part[255 + 1];
	size_t before;

	open_cgroups();
	memset(part, 'y', 255);
	part[255] = '\0';
	for (int i = 1; i <= 15; i++) {
		report_made(~(uint64_t)i, id, part);
		id = ~(uint64_t)i;
	}
	assert_non_null(path_of(id));
	before = mallinfo2().uordblks;
	for (int i = 0; i < 4000; i++) {
		snprintf(part, sizeof(part), "c%d", i);
		report_made(leaf + i, id, part);
		if (i % 256 == 255)
			cgroups_listen(with.cgroups);
	}
	cgroups_listen(with.cgroups);
	assert_int_equal(strlen(path_of(leaf + 3999)), 15 * 256 + 6);
	assert_string_equal(path_of(leaf + 3999) + 15 * 256, "/c3999");
	assert_string_equal(path_of(leaf) + 15 * 256, "/c0");
	assert_true(mallinfo2().uordblks - before < 4000 * 400);
}

static void what_has_no_known_parent_has_no_name(void **state)
{
	open_cgroups();
	report_made(~1ULL, ~7ULL,
		    "/elsewhere/a"); /* of another tree: it is not below ours */
	report_made(~2ULL, ~7ULL, "b");
	report_made(~3ULL, make(""), ""); /* could not be read */
	assert_null(path_of(~1ULL));
	assert_null(path_of(~2ULL));
	assert_null(path_of(~3ULL));
	assert_null(path_of(OWNER_ROOT)); /* the host's root is not ours */
}

static void an_entry_that_is_being_written_is_read_later(void **state)
{
	uint64_t root = make("");

	open_cgroups();
	report_made(~1ULL, root, "a");
	with.names.ring[0].seq = 1;
	assert_null(path_of(~1ULL));
	with.names.ring[0].seq = 2;
	assert_string_equal(path_of(~1ULL), "/a");
	for (int i = 0; i < NAME_RING; i++)
		report_made(1000 + i, root, "later");
	assert_string_equal(path_of(1000 + NAME_RING - 1), "/later");
	assert_string_equal(path_of(~1ULL), "/a"); /* written over, but read before */
}

/* An agent whose programs are attached, after its first reading. */
static void open_with_events(void)
{
	open_cgroups();
	cgroups_events(with.cgroups, true);
	cgroups_refresh(with.cgroups);
	assert_int_equal(cgroups_walks(with.cgroups), 2);
}

static void with_events_the_tree_is_not_walked_again(void **state)
{
	uint64_t a = make("/a"), b, root = make("");

	open_with_events();
	b = make("/a/b");
	report_made(b, a, "b");
	assert_string_equal(path_of(b), "/a/b");
	assert_true(cgroups_exists(with.cgroups, "/a/b", b));
	drop("/a/b");
	assert_true(cgroups_exists(with.cgroups, "/a/b", b)); /* nobody said so yet */
	report_gone(b);
	for (int i = 0; i < 5; i++) {
		cgroups_refresh(with.cgroups);
		assert_false(cgroups_exists(with.cgroups, "/a/b", b));
		assert_true(cgroups_exists(with.cgroups, "/a", a));
		assert_string_equal(path_of(b), "/a/b");
		assert_null(path_of(~7ULL));
	}
	report_made(~9ULL, root, "late"); /* made and removed between two readings */
	report_gone(~9ULL);
	cgroups_refresh(with.cgroups);
	assert_string_equal(path_of(~9ULL), "/late");
	assert_false(cgroups_exists(with.cgroups, "/late", ~9ULL));
	assert_int_equal(cgroups_walks(with.cgroups), 2);
	drop("/a");
}

static void who_is_not_found_is_searched_for_once(void **state)
{
	open_cgroups();
	for (int i = 0; i < 5; i++) {
		cgroups_refresh(with.cgroups);
		assert_null(path_of(~1ULL));
		assert_null(
		    path_of(~2ULL)); /* the same walk is for both, or the next */
	}
	assert_true(cgroups_walks(with.cgroups) <= 1 + 2);
	report_made(~3ULL, ~7ULL, "outside");
	for (int i = 0; i < 5; i++) {
		cgroups_refresh(with.cgroups);
		assert_null(path_of(~3ULL)); /* known to be in no tree of ours */
		assert_true(cgroups_exists(with.cgroups, NULL, ~3ULL));
	}
	assert_true(cgroups_walks(with.cgroups) <= 1 + 2);
	report_gone(~3ULL);
	cgroups_refresh(with.cgroups);
	assert_false(cgroups_exists(with.cgroups, NULL, ~3ULL));
}

static void names_that_were_lost_are_found_by_a_walk(void **state)
{
	uint64_t a = make("/a"), b, root = make("");

	open_with_events();
	b = make("/a/b");
	report_made(b, a, "b");
	for (int i = 0; i < NAME_RING; i++)
		report_made(1ULL << 60 | i, root, "more");
	cgroups_refresh(with.cgroups);
	assert_string_equal(path_of(b), "/a/b");
	assert_int_equal(cgroups_walks(with.cgroups), 3);
	assert_string_equal(path_of(1ULL << 60 | 1), "/more");
	drop("/a/b");
	drop("/a");
}

static void removals_that_were_lost_are_found_out(void **state)
{
	uint64_t a = make("/a"), b = make("/b");

	open_with_events();
	drop("/a");
	report_gone(a);
	for (int i = 0; i <= GONE_RING; i++)
		report_gone(~(uint64_t)i);
	cgroups_refresh(with.cgroups);
	assert_false(cgroups_exists(with.cgroups, "/a", a)); /* its directory says so */
	assert_true(cgroups_exists(with.cgroups, "/b", b));
	cgroups_events(with.cgroups, true); /* as after a second */
	cgroups_refresh(with.cgroups);
	assert_int_equal(cgroups_walks(with.cgroups), 3);
	assert_false(cgroups_exists(with.cgroups, "/a", a));
	drop("/b");
}

/* Root goes everywhere, but for one that gave up its capabilities: we do as if. */
static void be_root(bool root)
{
	if (!getuid())
		assert_int_equal(seteuid(root ? 0 : 65534), 0);
}

static void set_mode(const char *path, mode_t mode)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", with.root, path);
	assert_int_equal(chmod(full, mode), 0);
}

static void walk_anew(void)
{
	cgroups_events(with.cgroups, true);
	cgroups_refresh(with.cgroups);
}

static void what_its_owner_closed_is_not_gone(void **state)
{
	uint64_t a = make("/a"), b = make("/a/b"), c, d = make("/d"), nameless = ~9ULL;

	open_with_events();
	c = make("/a/c");
	report_made(c, a, "/a/c");
	assert_string_equal(path_of(c), "/a/c");
	set_mode("", 0755);
	set_mode("/a", 0);
	drop("/d");
	be_root(false);
	walk_anew();
	assert_string_equal(path_of(b), "/a/b");
	assert_true(cgroups_exists(with.cgroups, "/a/b", b));
	assert_true(cgroups_exists(with.cgroups, "/a/c", c));
	assert_false(cgroups_exists(with.cgroups, "/d", d));
	assert_null(path_of(nameless)); /* it may be one in there */
	walk_anew();
	assert_null(path_of(nameless));
	assert_true(cgroups_exists(with.cgroups, NULL, nameless));
	report_gone(c);
	cgroups_refresh(with.cgroups);
	assert_false(cgroups_exists(with.cgroups, "/a/c", c));
	assert_true(cgroups_exists(with.cgroups, "/a/b", b));
	be_root(true);
	set_mode("/a", 0700);
	drop("/a/c");
	drop("/a/b");
	walk_anew();
	assert_false(cgroups_exists(with.cgroups, "/a/b", b));
	drop("/a");
}

static void many_that_came_and_went_take_no_more_room(void **state)
{
	uint64_t root = make(""), id = 1ULL << 60;
	char name[32];

	open_with_events();
	for (int turn = 0; turn < 100; turn++) {
		for (int i = 0; i < 500; i++) {
			snprintf(name, sizeof(name), "c%lu", (unsigned long)++id);
			report_made(id, root, name);
			report_gone(id);
		}
		cgroups_refresh(with.cgroups);
		assert_string_equal(path_of(id) + 1, name);
		assert_non_null(path_of(id - 499));
	}
	assert_true(cgroups_known(with.cgroups) < 3 * 1024);
	assert_int_equal(cgroups_walks(with.cgroups), 2);
}

static void a_workload_is_found_by_its_path_among_many(void **state)
{
	static struct workload many[12000];
	struct path_index x = { NULL };
	char path[32];

	for (int i = 0; i < 12000; i++) {
		assert_true(asprintf(&many[i].path, "/c%d", i) > 0);
		assert_null(path_index_find(&x, many[i].path));
		assert_int_equal(path_index_add(&x, &many[i]), 0);
	}
	for (int i = 0; i < 12000; i++) {
		snprintf(path, sizeof(path), "/c%d", i);
		assert_ptr_equal(path_index_find(&x, path), &many[i]);
	}
	path_index_clear(&x);
	assert_null(path_index_find(&x, "/c1"));
	path_index_fini(&x);
	for (int i = 0; i < 12000; i++)
		free(many[i].path);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, begin, end)

static __u8 noted(struct delegates *d, uint64_t id, uint32_t uid, uint64_t parent,
		  uint32_t parent_uid)
{
	delegates_note(d, id, uid, parent, parent_uid);
	return d->share[delegate_index(id)];
}

/* A manager makes a cgroup, then changes its owner: no event says so. */
static void a_subtree_has_one_share_whenever_its_owner_is_seen(void **state)
{
	struct delegates *d = calloc(1, sizeof(*d));
	__u8 share;

	assert_int_equal(noted(d, 100, 0, 1, 0), 0);
	share = noted(d, 101, 0, 100, 1000);
	assert_int_not_equal(share, 0);
	assert_int_equal(noted(d, 100, 1000, 1, 0), share); /* by a walk */
	assert_int_equal(noted(d, 102, 1000, 100, 1000), share);
	assert_int_equal(noted(d, 103, 0, 101, 0), 0); /* root's in root's */
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_tree_is_walked_once_for_a_miss),
		TEST(names_of_the_ring_stand_below_their_parents),
		TEST(a_path_of_4095_bytes_is_whole_and_a_longer_one_is_none),
		TEST(a_long_path_takes_no_more_memory_than_its_own_name),
		TEST(what_has_no_known_parent_has_no_name),
		TEST(an_entry_that_is_being_written_is_read_later),
		TEST(with_events_the_tree_is_not_walked_again),
		TEST(who_is_not_found_is_searched_for_once),
		TEST(names_that_were_lost_are_found_by_a_walk),
		TEST(removals_that_were_lost_are_found_out),
		TEST(what_its_owner_closed_is_not_gone),
		TEST(many_that_came_and_went_take_no_more_room),
		cmocka_unit_test(a_subtree_has_one_share_whenever_its_owner_is_seen),
		cmocka_unit_test(a_workload_is_found_by_its_path_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
