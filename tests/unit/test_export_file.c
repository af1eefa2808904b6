// SPDX-License-Identifier: Apache-2.0
/* The file exporter: whole messages or none. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fake_snapshot.h"

static void a_file_holds_whole_messages(void **state)
{
	char path[] = "/tmp/assay-test-XXXXXX", text[512];
	struct export_opts o = { .file = path };
	struct otlp_batches b = snapshot("a", 2);
	struct rlimit old, small;
	struct export *e;
	struct stat st;
	int fd = mkstemp(path);

	unlink(path);
	close(fd);
	assert_int_equal(export_open(&o, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(b.list[1].bytes);
	b.list[1].len = 300; /* a length of two bytes */
	b.list[1].bytes = memset(malloc(300), 'x', 300);
	assert_int_equal(export_send(e, &b), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1 + 3 + 2 + 300);

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 306 + 3, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	b = snapshot("more than fits", 1);
	assert_int_equal(export_send(e, &b), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 306); /* the torn message is gone */
	assert_int_equal(failed_points(e, "write"), 10);
	assert_int_equal(export_stats(e)->exported, 20);

	send_snapshot(e, "b", 1);
	export_close(e);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 310);
	assert_memory_equal(text,
			    "\x03"
			    "a 1\xac\x02xxx",
			    9);
	assert_memory_equal(text + 305,
			    "x\x03"
			    "b 1",
			    5);
	close(fd);
	unlink(path);
}

static void a_file_that_cannot_be_opened_is_an_error(void **state)
{
	struct export_opts o = { .file = "/nonexistent/file" };
	struct export *e;

	assert_int_equal(export_open(&o, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_holds_whole_messages),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
