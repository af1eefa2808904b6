// SPDX-License-Identifier: Apache-2.0
/* Descriptions of systemd units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/unit_text.h"

static void a_file_says_it(void **state)
{
	static const struct {
		const char *text, *unit, *description;
	} cases[] = {
		{ "[Unit]\nDescription=A web server\n", "nginx.service",
		  "A web server" },
		{ "# Description=no\n[Unit]\n  Description = spaces \n", "a.service",
		  "spaces " },
		{ "[Service]\nDescription=not here\n", "a.service", NULL },
		{ "[Unit]\nDescription=one\nDescription=two\n", "a.service", "two" },
		{ "[Unit]\nDescription=one\nDescription=\n", "a.service", NULL },
		{ "[Unit]\nDescription=PostgreSQL Cluster %i\n",
		  "postgresql@15-main.service", "PostgreSQL Cluster 15-main" },
		{ "[Unit]\nDescription=Mount %I of %p (%n, %N) 100%% %q\n",
		  "fs@var-lib\\x2da.service",
		  "Mount var/lib-a of fs (fs@var-lib\\x2da.service, "
		  "fs@var-lib\\x2da) 100% %q" },
		{ "[Unit]\nDescription=a long \\\nline\n", "a.service",
		  "a long  line" },
		{ "[Unit]\nDescription=%i|\n", "plain.service", "|" },
		{ "[Unit]\nDescription=bell\a\xff after\n", "a.service", "bell " },
		{ "[Unit]\nDescription=ends with %", "a.service", "ends with %" },
		{ "[Unit]\nDescription", "a.service", NULL },
		{ "", "a.service", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *got = unit_description_parse(cases[i].text, cases[i].unit);

		if (!cases[i].description)
			assert_null(got);
		else
			assert_string_equal(got, cases[i].description);
		free(got);
	}
}

static void a_long_one_is_cut_between_characters(void **state)
{
	char text[2048] = "[Unit]\nDescription=x", *got;

	for (int i = 0; i < 400; i++)
		strcat(text, "\xc3\xa4");
	got = unit_description_parse(text, "a.service");
	assert_int_equal(strlen(got), UNIT_TEXT_MAX - 1);
	free(got);
}

static void write_unit(const char *root, const char *path, const char *text)
{
	char whole[512];
	FILE *f;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	for (char *s = whole + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(whole, 0755);
		*s = '/';
	}
	f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_described(const char *root, const char *unit, const char *text)
{
	char *got = unit_description(root, unit);

	if (text)
		assert_string_equal(got, text);
	else
		assert_null(got);
	free(got);
}

static void the_first_directory_wins(void **state)
{
	char root[] = "/tmp/assay-units-XXXXXX", command[64];

	assert_non_null(mkdtemp(root));
	write_unit(root, "usr/lib/systemd/system/web.service",
		   "[Unit]\nDescription=vendor's\n");
	write_unit(root, "usr/lib/systemd/system/db@.service",
		   "[Unit]\nDescription=cluster %i\n");
	assert_described(root, "web.service", "vendor's");
	assert_described(root, "db@main.service", "cluster main");
	assert_described(root, "none.service", NULL);
	assert_described(root, "../web.service", NULL);
	assert_described(root, "web", NULL);
	write_unit(root, "etc/systemd/system/web.service",
		   "[Unit]\nDescription=ours\n");
	write_unit(root, "run/systemd/transient/db@main.service",
		   "[Unit]\nDescription=by hand\n");
	assert_described(root, "web.service", "ours");
	assert_described(root, "db@main.service", "by hand");
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_says_it),
		cmocka_unit_test(a_long_one_is_cut_between_characters),
		cmocka_unit_test(the_first_directory_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
