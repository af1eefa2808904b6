// SPDX-License-Identifier: Apache-2.0
/* Who the node is. */
#include <errno.h>
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
#include "base/util.h"
#include "workload/host.h"

#define ID "3d1219c7c4c5404aaa1f6d2a48adfda4"

static void ids_have_one_form(void **state)
{
	static const struct {
		const char *text, *id;
	} cases[] = {
		{ ID, ID },
		{ ID "\n", ID },
		{ "3D1219C7C4C5404AAA1F6D2A48ADFDA4\n", ID },
		{ "3d1219c7-c4c5-404a-aa1f-6d2a48adfda4\n", ID },
		{ "3D1219C7-C4C5-404A-AA1F-6D2A48ADFDA4", ID },
		{ "", NULL },
		{ "uninitialized\n", NULL },
		{ "3d1219c7c4c5404aaa1f6d2a48adfda", NULL },
		{ ID "0", NULL },
		{ "3g1219c7c4c5404aaa1f6d2a48adfda4", NULL },
		{ "Not Settable", NULL },
		/* what firmware says that was not told who it is */
		{ "00000000-0000-0000-0000-000000000000", NULL },
		{ "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", NULL },
		{ "03000200-0400-0500-0006-000700080009", NULL },
	};
	char id[64];

	for (size_t i = 0; i < COUNT(cases); i++) {
		int err = host_parse_id(cases[i].text, id, sizeof(id));

		print_message("%s\n", cases[i].text);
		assert_int_equal(err, cases[i].id ? 0 : -EINVAL);
		if (cases[i].id)
			assert_string_equal(id, cases[i].id);
	}
}

static void put(const char *root, const char *file, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void the_nodes_root_has_the_id(void **state)
{
	char root[] = "/tmp/assay-host-XXXXXX", etc[64], file[128], cause[256];
	struct host_wish wish = { .root = root };
	struct host h;

	assert_non_null(mkdtemp(root));
	snprintf(etc, sizeof(etc), "%s/etc", root);
	assert_int_equal(mkdir(etc, 0755), 0);
	put(etc, "machine-id", "3D1219C7C4C5404AAA1F6D2A48ADFDA5\n");
	assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), 0);
	assert_string_equal(h.id, "3d1219c7c4c5404aaa1f6d2a48adfda5");
	assert_string_equal(h.id_from, "--host-root");
	assert_false(h.fleeting);

	/* what cannot be its id is left out: another source has one */
	put(etc, "machine-id", "uninitialized\n");
	assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), 0);
	assert_int_equal(strlen(h.id), 32);
	assert_string_not_equal(h.id_from, "--host-root");

	/* a link of the node's is the node's: it does not lead to our own file */
	snprintf(file, sizeof(file), "%s/machine-id", etc);
	unlink(file);
	put(etc, "id", "5d1219c7c4c5404aaa1f6d2a48adfda5\n");
	assert_int_equal(symlink("/etc/id", file), 0);
	assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), 0);
	assert_string_equal(h.id, "5d1219c7c4c5404aaa1f6d2a48adfda5");
	unlink(file);
	assert_int_equal(symlink("/proc/sys/kernel/random/boot_id", file), 0);
	assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), 0);
	assert_string_not_equal(h.id_from, "--host-root");
	unlink(file);
	put(etc, "machine-id", "uninitialized\n");

	wish.root = file;
	assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, "must be a directory"));
	unlink(file);
	snprintf(file, sizeof(file), "%s/id", etc);
	unlink(file);
	rmdir(etc);
	rmdir(root);
}

static void the_users_word_comes_first(void **state)
{
	struct host_wish wish = { .id = "i-0123456789abcdef0", .name = "node-7" };
	char cause[256], long_word[300];
	struct host h;

	assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), 0);
	assert_string_equal(h.id, "i-0123456789abcdef0");
	assert_string_equal(h.name, "node-7");

	memset(long_word, 'x', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	for (size_t i = 0; i < 5; i++) {
		const char *bad[] = { "", "a b", "a\nb", "\xff", long_word };

		wish.id = bad[i];
		assert_int_equal(host_find(&wish, &h, cause, sizeof(cause)), -EINVAL);
		assert_non_null(strstr(cause, "host.id"));
		assert_false(host_is_word(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_have_one_form),
		cmocka_unit_test(the_nodes_root_has_the_id),
		cmocka_unit_test(the_users_word_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
