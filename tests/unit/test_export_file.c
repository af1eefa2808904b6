// SPDX-License-Identifier: Apache-2.0
/* The file exporter: whole messages or none. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "encode.h"
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
	assert_int_equal(send_batches(e, &b), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1 + 3 + 2 + 300);

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 306 + 3, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	b = snapshot("more than fits", 1);
	assert_int_equal(send_batches(e, &b), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 306); /* the torn message is gone */
	assert_int_equal(failed_points(e, "write"), 10);
	assert_int_equal(export_stats(e)->exported, 20);
	assert_true(export_stats(e)->failing_ns > export_stats(e)->arrived_ns);
	assert_true(export_stats(e)->arrived_ns);
	assert_non_null(strstr(export_stats(e)->error, strerror(EFBIG)));

	send_snapshot(e, "b", 1);
	assert_int_equal(export_stats(e)->failing_ns, 0);
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

/* Two requests, as they begin: a resource, its first attribute, the key of that. */
#define MESSAGE "\x17\x0a\x15\x0a\x13\x0a\x11\x0a\x0cservice.name\x12\x01"
#define LONG	"\x98\x01\x0a\x95\x01\x0a\x92\x01"

/* Opens a file that has these bytes, as an agent does that begins to write to it. */
static off_t size_after_mending(const char *bytes, size_t len, char *path)
{
	struct export_opts o = { .file = path };
	struct export *e;
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	assert_int_equal(export_open(&o, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, len); /* somebody else may be writing */
	export_mend(e);
	assert_int_equal(stat(path, &st), 0);
	export_close(e);
	return st.st_size;
}

static void half_a_message_at_the_end_is_taken_back(void **state)
{
	char path[] = "/tmp/assay-test-XXXXXX", bytes[400] = MESSAGE "x";
	size_t one = 24, two = one + 2 + 152;

	close(mkstemp(path));
	memcpy(bytes + one, LONG, sizeof(LONG));
	memcpy(bytes + two, MESSAGE "x", one);
	for (size_t n = one; n <= two + one; n++)
		assert_int_equal(size_after_mending(bytes, n, path), n < two ? one
								     : n < two + one
									 ? two
									 : two + one);
	/* of the very first there is enough to know it by, or nothing is done */
	assert_int_equal(size_after_mending(bytes, one - 1, path), 0);
	assert_int_equal(size_after_mending(bytes, 10, path), 10);
	unlink(path);
}

static void what_is_no_export_is_left_alone(void **state)
{
	char path[] = "/tmp/assay-test-XXXXXX", bytes[400] = MESSAGE "x";

	close(mkstemp(path));
	assert_int_equal(size_after_mending("", 0, path), 0);
	assert_int_equal(size_after_mending("\x17\x0atext", 6, path), 6);
	assert_int_equal(size_after_mending("service.name\n", 13, path), 13);
	/* two agents wrote at once, or one behind half a message */
	memcpy(bytes + 24, "\x17\x0b", 2);
	assert_int_equal(size_after_mending(bytes, 40, path), 40);
	memcpy(bytes + 24, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11);
	assert_int_equal(size_after_mending(bytes, 40, path), 40);
	memset(bytes + 24, 0,
	       10); /* a file system that lost what was not yet written */
	assert_int_equal(size_after_mending(bytes, 34, path), 34);
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
		cmocka_unit_test(half_a_message_at_the_end_is_taken_back),
		cmocka_unit_test(what_is_no_export_is_left_alone),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
