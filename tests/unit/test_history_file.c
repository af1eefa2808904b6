// SPDX-License-Identifier: Apache-2.0
/* What becomes of a history whatever happens to its file, its disk and its writer. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>
#include "some_kept.h"

/* Readings that are in the file, which is sound; whoever wrote it is gone. */
static int64_t kept_rows(void)
{
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(file.path, &db, SQLITE_OPEN_READWRITE, NULL),
			 0);
	assert_int_equal(history_number(db,
					"SELECT count(*) FROM pragma_integrity_check "
					"WHERE integrity_check = 'ok'",
					&n),
			 0);
	assert_int_equal(n, 1);
	assert_int_equal(history_number(db, "SELECT count(*) FROM reading", &n), 0);
	history_end(db);
	return n;
}

static int look(const char *path, char *cause, size_t len)
{
	struct history_reader *r = NULL;
	int err = history_reader_open(path, &r, cause, len);

	history_reader_close(r);
	return err;
}

static void write_at(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void what_is_no_history_is_left_alone(void **state)
{
	char text[] =
	    "this is a letter of somebody's, which is no data base at all, and "
	    "which is longer than the header of one would be",
	     cause[256], back[sizeof(text)];
	struct history_reading r = { .since_ns = 1, .until_ns = 2 };
	int fd;

	assert_int_equal(look(file.path, cause, sizeof(cause)), -ENOENT);
	assert_non_null(strstr(cause, "no agent has kept anything there"));
	write_at(file.path, 0, text, sizeof(text));
	assert_int_equal(look(file.path, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, ": it is no history of assay's"));
	assert_int_equal(history_file_add(&file.f, &r, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, ": it is no history of assay's"));
	fd = open(file.path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(back));
	close(fd);
	assert_memory_equal(back, text, sizeof(text));
}

static void another_version_is_said_and_left_alone(void **state)
{
	static const unsigned char version[4] = { 0, 0, 0, 9 };
	struct history_reading r = { .since_ns = 1, .until_ns = 2 };
	char cause[256];

	add_readings(0, 1, 5);
	history_file_close(&file.f);
	write_at(file.path, 60, version, sizeof(version));
	assert_int_equal(look(file.path, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, "of another version of assay (its format is 9, "
				      "this program's is 2)"));
	assert_int_equal(history_file_add(&file.f, &r, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, "of another version"));
}

/* As programs of format 1 wrote it: what zlib compressed is read, and goes on. */
static void a_file_of_the_format_before_is_read_and_goes_on(void **state)
{
	static const unsigned char version[4] = { 0, 0, 0, 1 };
	unsigned char now[4];
	uint8_t *bytes, packed[65536];
	uLongf packed_len = sizeof(packed);
	size_t len;
	sqlite3_stmt *st;
	char cause[256];
	int fd;

	add_readings(0, 1, 5);
	assert_int_equal(history_load(file.f.db, 1, &bytes, &len), 0);
	assert_int_equal(compress(packed, &packed_len, bytes, len), Z_OK);
	free(bytes);
	assert_int_equal(history_prepare(file.f.db, "UPDATE reading SET data=?", &st),
			 0);
	sqlite3_bind_blob(st, 1, packed, (int)packed_len, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	history_done(st);
	history_file_close(&file.f);
	write_at(file.path, 60, version, sizeof(version));
	assert_int_equal(look(file.path, cause, sizeof(cause)), 0);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + STEP, NULL, NULL), 5);
	add_readings(1, 1, 5);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 2 * STEP, NULL, NULL), 10);
	/* an older program can tell that from the file itself */
	fd = open(file.path, O_RDONLY);
	assert_int_equal(pread(fd, now, sizeof(now), 60), sizeof(now));
	close(fd);
	assert_int_equal(now[3], 2);
}

/* Every page in turn: all but what lies on it is there, and an agent goes on. */
static void only_what_is_damaged_is_lost(void **state)
{
	char copy[160], junk[4096], cause[256], command[400];
	unsigned int worst = 0, pages;
	struct stat st;

	memset(junk, 0xa5, sizeof(junk));
	add_readings(0, 60, 100);
	history_file_close(&file.f);
	assert_int_equal(stat(file.path, &st), 0);
	pages = (unsigned int)(st.st_size / 4096);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	for (unsigned int i = 1; i < pages; i++) {
		struct history_reader *r = NULL;
		struct history_span asked = { BEGIN, BEGIN + 60 * STEP, 0 }, got;
		struct frame *f;

		snprintf(command, sizeof(command), "cp %s %s", file.path, copy);
		assert_int_equal(system(command), 0);
		write_at(copy, i * 4096, junk, sizeof(junk));
		if (history_reader_open(copy, &r, cause, sizeof(cause)))
			continue; /* the tables' own page: nothing can be read */
		if (!history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause))) {
			unsigned int lost = 60 - (unsigned int)(got.covered_ns / STEP);

			worst = lost > worst ? lost : worst;
			frame_free(f);
		}
		history_reader_close(r);
	}
	print_message("%u pages: at most %u of 60 readings are lost\n", pages, worst);
	assert_true(worst && worst <= 20);
}

static void a_damaged_file_is_set_aside_with_the_rest_kept(void **state)
{
	char junk[4096], damaged[160];
	struct stat st;

	memset(junk, 0xa5, sizeof(junk));
	add_readings(0, 60, 100);
	history_file_close(&file.f);
	write_at(file.path, 2 * 4096, junk, sizeof(junk)); /* the table's root, or so */
	add_readings(60, 1, 100);
	assert_non_null(strstr(file.f.note, "was damaged: it is now"));
	print_message("%s\n", file.f.note);
	add_readings(61, 2, 100);
	snprintf(damaged, sizeof(damaged), "%s.damaged", file.path);
	assert_int_equal(stat(damaged, &st), 0);
	assert_int_equal(
	    calls_in(file.path, BEGIN + 60 * STEP, BEGIN + 63 * STEP, NULL, NULL), 300);
}

/* Seconds that are kept of, whoever wrote it is gone. */
static int64_t kept_seconds(const char *path)
{
	sqlite3 *db;
	int64_t ns;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), 0);
	assert_int_equal(
	    history_number(db, "SELECT sum(until - since) FROM reading", &ns), 0);
	history_end(db);
	return ns / (int64_t)NS;
}

/* What an agent says that it takes over of a file of 60 readings; *exact: all of them
 * are told of. */
static size_t take_over(const char *path, bool *exact)
{
	struct history_file other = file.f;
	struct history_reading r = some_reading(BEGIN + 61 * STEP, true, NULL, 0);
	size_t kept = 0, lost = 0;
	const char *of, *tail;
	char cause[256];

	other.path = path;
	other.db = NULL;
	other.lock = -1;
	assert_int_equal(history_file_add(&other, &r, cause, sizeof(cause)), 0);
	free(r.bytes);
	history_file_close(&other);
	of = strstr(other.note, "the new one has ");
	if (!of)
		fail_msg("%s", other.note);
	assert_int_equal(sscanf(of, "the new one has %zu readings", &kept), 1);
	tail = strstr(of, "of it: ") + strlen("of it: ");
	*exact = sscanf(tail, "%zu lost", &lost) == 1 || !strcmp(tail, "none lost");
	if (!*exact &&
	    sscanf(tail, "at least %zu lost, how many more is not known", &lost) != 1)
		assert_string_equal(tail, "all that was there is lost");
	assert_true(kept + lost <= 60 && (!*exact || kept + lost == 60));
	return kept;
}

/* Wherever it is cut off: what an agent takes over is what it says, and who looks back
 * sees it in the file as it is. */
static void of_a_file_without_its_end_there_is_the_rest(void **state)
{
	struct history_span asked = { BEGIN, BEGIN + 60 * STEP, 0 }, got;
	char copy[160], command[800], cause[256];
	unsigned int exact = 0, some = 0, pages;
	struct stat st;

	add_readings(0, 60, 100);
	history_file_close(&file.f);
	assert_int_equal(stat(file.path, &st), 0);
	pages = (unsigned int)(st.st_size / 4096);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	for (unsigned int i = 1; i < pages; i++) {
		struct history_reader *r = NULL;
		struct history_damage damage;
		struct frame *f;
		uint64_t seen_s = 0;
		bool all;
		size_t kept;

		snprintf(command, sizeof(command),
			 "rm -f %s*; cp %s %s && truncate -s %u %s", copy, file.path,
			 copy, i * 4096, copy);
		assert_int_equal(system(command), 0);
		if (history_reader_open(copy, &r, cause, sizeof(cause)))
			fail_msg("%u pages: %s", i, cause);
		if (!history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause))) {
			seen_s = got.covered_ns / NS;
			frame_free(f);
		}
		history_reader_damage(r, &asked, &damage);
		assert_true(damage.unknown || seen_s + damage.ns / NS == 600);
		history_reader_close(r);
		kept = take_over(copy, &all);
		assert_int_equal(seen_s, kept * 10);
		assert_int_equal(kept_seconds(copy), kept * 10 + 10);
		exact += all;
		some += kept > 0;
	}
	print_message("%u pages: something is left of %u, of %u it is known how much\n",
		      pages, some, exact);
	assert_true(some > pages / 2 && exact);
	snprintf(command, sizeof(command), "rm -f %s*", copy);
	assert_int_equal(system(command), 0);
}

static void one_agent_writes_at_a_time(void **state)
{
	struct history_file other;
	struct history_reading r = some_reading(BEGIN + STEP, true, NULL, 0);
	char cause[256];

	add_readings(0, 1, 5);
	other = file.f;
	other.db = NULL;
	other.lock = -1;
	assert_int_equal(history_file_add(&other, &r, cause, sizeof(cause)),
			 -EWOULDBLOCK);
	assert_non_null(strstr(cause, "another agent writes it"));
	history_file_close(&file.f);
	assert_int_equal(history_file_add(&other, &r, cause, sizeof(cause)), 0);
	history_file_close(&other);
	free(r.bytes);
}

/* The file is taken away while it is written: the next reading makes another one. */
static void a_file_that_is_gone_is_made_anew(void **state)
{
	add_readings(0, 2, 5);
	unlink(file.path);
	add_readings(2, 2, 5);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 9 * STEP, NULL, NULL), 10);
}

/* Writes readings until it is killed; tells the number of each that is kept. */
static void write_on(unsigned int first, int out)
{
	for (unsigned int k = first;; k++) {
		/* so close that no hour is over, after which they would be merged */
		some_add(&file, BEGIN + k * (NS / 100), true,
			 &(struct some){ .workload = 1, .calls = k, .series = 2 }, 1);
		if (write(out, &k, sizeof(k)) != sizeof(k))
			_exit(1);
	}
}

static unsigned int write_until_killed(unsigned int first, unsigned int us)
{
	unsigned int k, last = first;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		write_on(first, fds[1]);
	close(fds[1]);
	usleep(us);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fds[0], &k, sizeof(k)) == sizeof(k))
		last = k + 1;
	close(fds[0]);
	return last;
}

static void a_kill_at_any_moment_loses_nothing_that_is_kept(void **state)
{
	unsigned int kept = 0;

	srandom(1);
	for (int i = 0; i < 200; i++) {
		/* one that was kept, but not told of yet, may come again: its time, too
		 */
		unsigned int us = (unsigned int)(random() % 20000), now;
		int64_t there;

		if (i > 20 && access(file.path, F_OK))
			us += 500000; /* a busy machine does not get so far */
		now = write_until_killed(kept, us);
		if (access(file.path, F_OK))
			continue;
		assert_int_equal(look(file.path, (char[256]){ 0 }, 256), 0);
		there = kept_rows();
		assert_true(there >= now && there <= now + i + 1);
		kept = now;
	}
	print_message("%u readings by 200 agents that were killed\n", kept);
	assert_true(kept > 200);
}

/* In a mount namespace of its own; false: this machine does not let us. */
static bool mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return !mount("assay-test", file.dir, "tmpfs", 0, options);
}

static void a_full_disk_is_said_and_survived(void **state)
{
	struct some list[40];
	char cause[256];
	int err = 0;

	if (!mount_small("size=512k"))
		skip();
	for (unsigned int k = 0; k < 200 && !err; k++) {
		struct history_reading r;

		for (unsigned int i = 0; i < 40; i++)
			list[i] = (struct some){ .workload = i,
						 .calls = 100 + i * k % 977,
						 .series = CLASSES };
		r = some_reading(BEGIN + (k + 1) * STEP, true, list, 40);
		err = history_file_add(&file.f, &r, cause, sizeof(cause));
		free(r.bytes);
	}
	assert_int_equal(err, -ENOSPC);
	assert_non_null(strstr(cause, "No space left on device"));
	/* what was kept can be read, and there is room again: it goes on */
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + STEP, NULL, NULL), 100);
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT, "size=8m"), 0);
	add_readings(500, 1, 5);
	history_file_close(&file.f);
	umount2(file.dir, MNT_DETACH);
}

static void a_read_only_directory_is_said(void **state)
{
	struct history_reading r = some_reading(BEGIN + STEP, true, NULL, 0);
	char cause[256];

	if (!mount_small("size=2m"))
		skip();
	add_readings(0, 3, 100);
	history_file_close(&file.f);
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_true(history_file_add(&file.f, &r, cause, sizeof(cause)) < 0);
	assert_non_null(strstr(cause, "Read-only file system"));
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 3 * STEP, NULL, NULL), 300);
	umount2(file.dir, MNT_DETACH);
	free(r.bytes);
}

/* As in a copy of all files but the -shm, which a copy does without, to where nobody
 * may write. */
static void a_copy_with_its_wal_says_what_to_do(void **state)
{
	char cause[256], shm[300];
	pid_t pid;

	if (!mount_small("size=2m"))
		skip();
	pid = fork();
	if (!pid) {
		add_readings(0, 3, 100);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	snprintf(shm, sizeof(shm), "%s-shm", file.path);
	assert_int_equal(unlink(shm), 0);
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_true(look(file.path, cause, sizeof(cause)) < 0);
	assert_non_null(strstr(cause, file.path));
	assert_non_null(strstr(cause, "copy both there, or use `assay snapshot`"));
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT, "size=2m"), 0);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 3 * STEP, NULL, NULL), 300);
	umount2(file.dir, MNT_DETACH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_history_is_left_alone),
		TEST(another_version_is_said_and_left_alone),
		TEST(a_file_of_the_format_before_is_read_and_goes_on),
		TEST(only_what_is_damaged_is_lost),
		TEST(a_damaged_file_is_set_aside_with_the_rest_kept),
		TEST(of_a_file_without_its_end_there_is_the_rest),
		TEST(one_agent_writes_at_a_time),
		TEST(a_file_that_is_gone_is_made_anew),
		TEST(a_kill_at_any_moment_loses_nothing_that_is_kept),
		TEST(a_full_disk_is_said_and_survived),
		TEST(a_read_only_directory_is_said),
		TEST(a_copy_with_its_wal_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
