// SPDX-License-Identifier: Apache-2.0
/*
 * The disk of the history is full, or may only be read: nothing is lost of what comes
 * meanwhile, and when nothing can be kept until the end, that is said.
 */
#include <sched.h>
#include <sys/mount.h>
#include "some_kept.h"
#include "sink/history.h"

#define PATIENCE_MS 20000

static struct history *h;
static unsigned int made; /* readings, each of 100 calls */

/* A small file system of this process' own where the history is; false: none here. */
static bool mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return !mount("assay-test", file.dir, "tmpfs", 0, options);
}

static void open_history(void)
{
	char cause[256];

	made = 0;
	assert_int_equal(
	    history_open(file.path, SIZE, NULL, 0, &h, cause, sizeof(cause)), 0);
	assert_int_equal(history_start(h), 0);
}

/* As the agent does: what it cannot hand over it has in the next one. */
static bool put(uint64_t calls)
{
	struct some one = { .workload = 1, .calls = calls, .series = 2 };
	struct history_reading r;

	if (!history_is_ready(h, 0))
		return false;
	r = some_reading(BEGIN + (made + 1) * STEP, true, &one, 1);
	history_put(h, &r);
	made++;
	return true;
}

static struct history_stats stats(void)
{
	struct history_stats s;

	history_get_stats(h, &s);
	return s;
}

/*
 * Until so many readings are kept, or it is said that they cannot be. What waits is
 * tried again with each reading of the agent: one comes every millisecond, as a try
 * that is under way may have seen the disk as it was.
 */
static void wait_kept(uint64_t kept, bool is_kept)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		struct history_stats s = stats();

		if (s.kept == kept && (is_kept ? s.is_kept : s.why[0] != 0))
			return;
		if (is_kept)
			history_is_ready(h, 0);
		usleep(1000);
	}
	fail_msg("%d kept, %s", (int)stats().kept, stats().why);
}

static FILE *fill(void)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/fill", file.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	while (fputc('x', f) != EOF)
		;
	return f;
}

static void a_full_disk_loses_nothing(void **state)
{
	uint64_t waiting = 0;
	FILE *f;

	if (!mount_small("size=192k"))
		skip();
	open_history();
	put(100);
	wait_kept(1, true);
	f = fill();
	for (int i = 0; i < 40; i++) {
		waiting += 100;
		if (put(waiting))
			waiting = 0;
		usleep(5000);
	}
	wait_kept(stats().kept, false);
	assert_true(waiting > 0); /* it takes no more */
	assert_non_null(strstr(stats().why, "No space left on device"));
	assert_int_equal(stats().lost, 0);
	assert_true(stats().late > 0);
	assert_int_equal(ftruncate(fileno(f), 0), 0);
	fclose(f);
	wait_kept(made, true);
	assert_true(put(waiting));
	wait_kept(made, true);
	assert_int_equal(stats().lost, 0);
	history_close(h, 1000);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + made * STEP, NULL, NULL),
			 41 * 100);
	umount2(file.dir, MNT_DETACH);
}

static void what_may_only_be_read_is_written_later(void **state)
{
	if (!mount_small("size=1m,ro"))
		skip();
	open_history();
	put(100);
	put(200);
	wait_kept(0, false);
	assert_false(put(300));
	assert_non_null(strstr(stats().why, "Read-only file system"));
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT, "size=1m"), 0);
	wait_kept(2, true);
	assert_true(put(300));
	history_close(h, 1000);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + made * STEP, NULL, NULL),
			 600);
	umount2(file.dir, MNT_DETACH);
}

static void a_directory_that_is_removed_is_made_anew(void **state)
{
	char path[200], line[300];

	snprintf(path, sizeof(path), "%s/own/history.db", file.dir);
	made = 0;
	assert_int_equal(history_open(path, SIZE, NULL, 0, &h, line, sizeof(line)), 0);
	assert_int_equal(history_start(h), 0);
	put(100);
	wait_kept(1, true);
	snprintf(line, sizeof(line), "rm -r %s/own", file.dir);
	assert_int_equal(system(line), 0);
	put(200);
	wait_kept(1, false);
	wait_kept(2, true);
	put(300);
	history_close(h, 1000);
	assert_int_equal(calls_in(path, BEGIN, BEGIN + made * STEP, NULL, NULL), 500);
	assert_int_equal(system(line), 0);
}

/* As a full disk: said, and tried again with each reading. */
static void a_directory_that_cannot_be_made_is_made_later(void **state)
{
	char path[200], line[300], way[180];

	snprintf(way, sizeof(way), "%s/way", file.dir);
	snprintf(path, sizeof(path), "%s/to/history.db", way);
	fclose(fopen(way, "w")); /* a file where a directory should be */
	made = 0;
	assert_int_equal(history_open(path, SIZE, NULL, 0, &h, line, sizeof(line)), 0);
	assert_non_null(strstr(stats().why, "its directory cannot be made"));
	assert_int_equal(history_start(h), 0);
	put(100);
	wait_kept(0, false);
	assert_int_equal(unlink(way), 0);
	wait_kept(1, true);
	put(200);
	history_close(h, 1000);
	assert_int_equal(calls_in(path, BEGIN, BEGIN + made * STEP, NULL, NULL), 300);
	snprintf(line, sizeof(line), "rm -r %s", way);
	assert_int_equal(system(line), 0);
}

static void the_end_does_not_wait_for_a_disk(void **state)
{
	char said[400] = "";
	FILE *err;
	int saved;

	if (!mount_small("size=1m,ro"))
		skip();
	err = tmpfile();
	saved = dup(2);
	dup2(fileno(err), 2);
	open_history();
	put(100);
	wait_kept(0, false);
	put(200);
	history_close(h, 5000);
	dup2(saved, 2);
	close(saved);
	rewind(err);
	assert_true(fread(said, 1, sizeof(said) - 1, err) > 0);
	fclose(err);
	assert_non_null(strstr(said, "nothing is kept until that is over"));
	assert_non_null(strstr(said, "2 readings are lost: "));
	umount2(file.dir, MNT_DETACH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_disk_loses_nothing),
		TEST(what_may_only_be_read_is_written_later),
		TEST(a_directory_that_is_removed_is_made_anew),
		TEST(a_directory_that_cannot_be_made_is_made_later),
		TEST(the_end_does_not_wait_for_a_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
