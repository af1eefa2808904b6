// SPDX-License-Identifier: Apache-2.0
/* Where the agent's socket is: whose it is, what was there before, what is left. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include "fake_api.h"
#include "sink/listen.h"

static void (*at_lock)(void); /* a moment before somebody has a directory's lock */

/* Of the library, but that what the test does there comes first. */
int flock(int fd, int operation)
{
	void (*f)(void) = at_lock;

	at_lock = NULL;
	if (f)
		f();
	return syscall(SYS_flock, fd, operation);
}

static void the_socket_is_its_users_alone(void **state)
{
	struct stat st;
	char dir[64];

	assert_int_equal(lstat(with.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	snprintf(dir, sizeof(dir), "%s/run", with.dir);
	assert_int_equal(lstat(dir, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
}

/* Opens another agent's socket, which must fail; the cause. */
static const char *cannot_open(const char *path, int err)
{
	static char cause[256];
	struct api *other = NULL;

	assert_int_equal(api_open(path, &ops, &other, cause, sizeof(cause)), err);
	assert_null(other);
	assert_null(strchr(cause, '\n'));
	return cause;
}

static void another_agent_finds_it_taken(void **state)
{
	char want[128], cause[256];

	snprintf(want, sizeof(want), "another agent listens at %s (see --socket)",
		 with.path);
	assert_string_equal(cannot_open(with.path, -EADDRINUSE), want);
	/* it may end until then */
	assert_int_equal(listen_check(with.path, cause, sizeof(cause)), 0);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

static void what_is_no_dead_socket_stays(void **state)
{
	char path[64], cause[256], longest[200];
	int fd;

	snprintf(path, sizeof(path), "%s/file", with.dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_non_null(strstr(cannot_open(path, -EEXIST), "is no socket"));
	assert_int_equal(listen_check(path, cause, sizeof(cause)), -EEXIST);
	assert_int_equal(unlink(path), 0); /* it was there */
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_non_null(strstr(cannot_open(path, -EEXIST), "is no socket"));
	assert_int_equal(unlink(path), 0);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_non_null(
	    strstr(cannot_open(longest, -ENAMETOOLONG), "the path is too long"));
	assert_non_null(strstr(cannot_open("/proc/none/socket", -ENOENT),
			       "cannot listen at /proc/none/socket: "));
}

static void the_socket_of_a_killed_agent_is_replaced(void **state)
{
	struct sockaddr_un addr = address(with.path);
	char cause[256];
	int dead;

	api_close(with.api);
	assert_int_equal(access(with.path, F_OK), -1);
	dead = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(dead);
	assert_int_equal(access(with.path, F_OK), 0);
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

static void only_its_own_socket_is_removed(void **state)
{
	struct api *first = with.api;
	char cause[256];

	assert_int_equal(unlink(with.path), 0); /* by somebody */
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
	api_close(first);
	assert_hears_snapshot(dial_and_say("snapshot\n")); /* the second's */
}

static int dialled;

static void dial_at_lock(void)
{
	struct sockaddr_un addr = address(with.path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	dialled = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 1;
	close(fd);
}

/* Whoever comes then would replace it, by one that may have the same inode. */
static void its_socket_is_not_dead_before_its_file_is_gone(void **state)
{
	char cause[256];

	dialled = 0;
	at_lock = dial_at_lock;
	api_close(with.api);
	assert_int_equal(dialled, 1);
	assert_int_equal(access(with.path, F_OK), -1);
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
}

static void leave_socket(const char *path, bool listens, int *fd)
{
	struct sockaddr_un addr = address(path);

	*fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listens)
		assert_int_equal(listen(*fd, 1), 0);
}

static char left[80];

static void somebody_comes_at_lock(void)
{
	int fd; /* stays open */

	assert_int_equal(unlink(left), 0);
	leave_socket(left, true, &fd);
}

/* As it is left beside the agent's socket by one that was killed while it waited. */
static void only_a_dead_socket_is_cleared(void **state)
{
	int fd;

	snprintf(left, sizeof(left), "%s.waiting", with.path);
	listen_clear(left); /* there is nothing */
	leave_socket(left, false, &fd);
	close(fd);
	listen_clear(left);
	assert_int_equal(access(left, F_OK), -1);
	leave_socket(left, true, &fd);
	listen_clear(left);
	assert_int_equal(access(left, F_OK), 0);
	close(fd);
	at_lock = somebody_comes_at_lock;
	listen_clear(left);
	assert_int_equal(access(left, F_OK), 0);
	assert_int_equal(unlink(left), 0);
	assert_int_equal(mknod(left, S_IFREG | 0600, 0), 0);
	listen_clear(left);
	assert_int_equal(access(left, F_OK), 0);
	assert_int_equal(unlink(left), 0);
	assert_int_equal(symlink(with.path, left), 0);
	listen_clear(left);
	assert_int_equal(unlink(left), 0);
}

static void mend_after(uint64_t ns)
{
	fake_now_ns += ns;
	api_mend(with.api);
}

static void one_that_is_removed_is_made_anew(void **state)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "%s/run", with.dir);
	mend_after(2 * FAKE_SECOND);
	assert_int_equal(unlink(with.path), 0);
	assert_int_equal(rmdir(dir), 0);
	mend_after(FAKE_SECOND / 10);
	assert_int_equal(access(with.path, F_OK), -1); /* it looks once a second */
	mend_after(FAKE_SECOND);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	/* it cannot be, for a while */
	assert_int_equal(unlink(with.path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(mknod(dir, S_IFREG | 0600, 0), 0);
	mend_after(2 * FAKE_SECOND);
	assert_int_equal(unlink(dir), 0);
	mend_after(20 * FAKE_SECOND);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

static void who_is_at_its_place_is_left_alone(void **state)
{
	struct stat st;

	assert_int_equal(unlink(with.path), 0);
	assert_int_equal(mknod(with.path, S_IFREG | 0600, 0), 0);
	mend_after(2 * FAKE_SECOND);
	assert_int_equal(lstat(with.path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(unlink(with.path), 0);
	mend_after(2 * FAKE_SECOND);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

static void who_keeps_the_lock_of_the_directory_keeps_nobody_out(void **state)
{
	char dir[64], cause[256];
	uint64_t before;
	int fd;

	snprintf(dir, sizeof(dir), "%s/run", with.dir);
	api_close(with.api);
	fd = open(dir, O_RDONLY | O_DIRECTORY); /* all that one needs to lock it */
	assert_int_equal(flock(fd, LOCK_EX), 0);
	fake_step_ns = FAKE_SECOND / 20;
	before = fake_now_ns;
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
	assert_in_range(fake_now_ns - before, FAKE_SECOND, 2 * FAKE_SECOND);
	fake_step_ns = 0;
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	fake_step_ns = FAKE_SECOND / 20;
	before = fake_now_ns;
	api_close(with.api);
	assert_in_range(fake_now_ns - before, 0, FAKE_SECOND / 4);
	assert_int_equal(access(with.path, F_OK), -1);
	close(fd);
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(the_socket_is_its_users_alone),
		API_TEST(another_agent_finds_it_taken),
		API_TEST(what_is_no_dead_socket_stays),
		API_TEST(the_socket_of_a_killed_agent_is_replaced),
		API_TEST(only_its_own_socket_is_removed),
		API_TEST(its_socket_is_not_dead_before_its_file_is_gone),
		API_TEST(only_a_dead_socket_is_cleared),
		API_TEST(one_that_is_removed_is_made_anew),
		API_TEST(who_is_at_its_place_is_left_alone),
		API_TEST(who_keeps_the_lock_of_the_directory_keeps_nobody_out),
	};

	return cmocka_run_group_tests_name("api_path", tests, NULL, NULL);
}
