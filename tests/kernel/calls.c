// SPDX-License-Identifier: Apache-2.0
/*
 * A known number of known system calls: "NAME N" makes N of them and answers with
 * calls=N errors=M, M being what the calls themselves returned. Everything they
 * need is opened before the first line is read.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "gate.h"

#define MAX_THREADS 8

static struct {
	int file, directory, block, null, pipe[2], event, unix_pair[2], tcp, epoll;
	char *page;
	struct sockaddr_in nobody;
} with;

static char buf[4096], long_name[300];
static uint32_t futex_word = 1;

static long do_getppid(void)
{
	return syscall(SYS_getppid);
}

static long do_pread(void)
{
	return pread(with.file, buf, 512, 0);
}

static long do_readv(void)
{
	struct iovec v = { buf, 512 };

	lseek(with.file, 0, SEEK_SET);
	return readv(with.file, &v, 1);
}

static long do_write_file(void)
{
	return pwrite(with.file, buf, 512, 0);
}

static long do_getdents(void)
{
	lseek(with.directory, 0, SEEK_SET);
	return syscall(SYS_getdents64, with.directory, buf, sizeof(buf));
}

static long do_read_block(void)
{
	return pread(with.block, buf, 512, 0);
}

static long do_open_enoent(void)
{
	return open("/nonexistent/file", O_RDONLY);
}

static long do_read_ebadf(void)
{
	return read(-1, buf, 1);
}

static long do_read_isdir(void)
{
	return read(with.directory, buf, 1);
}

/* EAGAIN is an answer, not an error; it is not counted as one here either. */
static long do_read_eagain(void)
{
	if (read(with.pipe[0], buf, 1) != -1 || errno != EAGAIN)
		gate_die("eagain");
	return 0;
}

static long do_write_null(void)
{
	return write(with.null, buf, 16);
}

static long do_event(void)
{
	uint64_t one = 1;

	return write(with.event, &one, sizeof(one));
}

static long do_write_socket(void)
{
	return write(with.unix_pair[0], buf, 16) == 16
		   ? read(with.unix_pair[1], buf, 16)
		   : -1;
}

static long do_send(void)
{
	return send(with.unix_pair[0], buf, 16, 0) == 16
		   ? recv(with.unix_pair[1], buf, 16, 0)
		   : -1;
}

static long do_connect_refused(void)
{
	return connect(with.tcp, (struct sockaddr *)&with.nobody, sizeof(with.nobody));
}

static long do_mprotect(void)
{
	return mprotect(with.page, 4096, PROT_READ);
}

static long do_futex(void)
{
	return syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static long do_poll(void)
{
	struct pollfd p = { .fd = with.pipe[0], .events = POLLIN };

	return poll(&p, 1, 0);
}

static long do_epoll(void)
{
	struct epoll_event e;

	return epoll_wait(with.epoll, &e, 1, 0);
}

static long do_sleep(void)
{
	struct timespec t = { .tv_nsec = 100000 };

	return syscall(SYS_nanosleep, &t, NULL);
}

/*
 * 32-bit calls. Their numbers mean something else in the 64-bit table: 20 is getpid
 * here and writev there (epoll_create1 on arm64), 4 is write here and stat there
 * (io_getevents). On arm64 all calls of a 32-bit program are, and only these.
 */
#if defined(__x86_64__)
static long call_32(long nr, long a, long b, long c)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	if (ret < 0 && ret > -4096) {
		errno = -ret;
		return -1;
	}
	return ret;
}
#elif defined(__arm__)
static long call_32(long nr, long a, long b, long c)
{
	return syscall(nr, a, b, c);
}
#else
static long call_32(long nr, long a, long b, long c)
{
	errno = ENOSYS;
	return -1;
}
#endif

static long do_getpid_32(void)
{
	return call_32(20, with.file, 0, 0);
}

static long do_write_32_ebadf(void)
{
	return call_32(4, -1, 0, 0);
}

/* Whether this machine takes 32-bit calls: some forbid int 0x80 with a SIGSEGV. */
static void run_has_32(const struct gate_command *self, const long *args)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(call_32(20, 0, 0, 0) <= 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		gate_die("fork");
	gate_say("has=%d", WIFEXITED(status) && !WEXITSTATUS(status));
}

/* "NAME N": N rounds of one load. calls is what the class under test must show. */
static void repeat(const struct gate_command *self, const long *args)
{
	long errors = 0, first = 0, last = 0;

	for (long i = 0; i < args[0]; i++) {
		if (self->call() < 0) {
			errors++;
			last = errno;
			first = first ? first : last;
		}
	}
	gate_say("calls=%ld errors=%ld errno=%ld mixed=%d", args[0] * self->calls,
		 errors, last, first != last);
}

/* "threads T N": T threads at once, N calls each. */
struct crowd {
	pthread_barrier_t start, end;
	long n;
	bool quit;
};

static struct crowd crowd;

static void *crowd_member(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&crowd.start);
	for (long i = 0; i < crowd.n; i++)
		do_getppid();
	pthread_barrier_wait(&crowd.end);
	return NULL;
}

static void run_threads(const struct gate_command *self, const long *args)
{
	pthread_t threads[MAX_THREADS];
	long count = args[0];

	(void)self;
	if (count < 1 || count > MAX_THREADS)
		gate_die("threads");
	crowd.n = args[1];
	pthread_barrier_init(&crowd.start, NULL, count);
	pthread_barrier_init(&crowd.end, NULL, count + 1);
	for (long i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, crowd_member, NULL))
			gate_die("pthread_create");
	}
	pthread_barrier_wait(&crowd.end);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	gate_say("calls=%ld", count * crowd.n);
}

/*
 * "errnos N": N times each of more different errors, all of class file, than a
 * workload has entries for. Answers with their numbers, in the order of the list.
 */
static long fail_by_name(int which)
{
	switch (which) {
	case 0:
		return open("/nonexistent", O_RDONLY); /* ENOENT */
	case 1:
		return open("/proc/version/x", O_RDONLY); /* ENOTDIR */
	case 2:
		return open(long_name, O_RDONLY); /* ENAMETOOLONG */
	case 3:
		return open((char *)8, O_RDONLY); /* EFAULT */
	case 4:
		return mkdir("/proc", 0); /* EEXIST */
	case 5:
		return link("/proc/version", "/nonexistent"); /* EXDEV */
	case 6:
		return openat(-5, "x", O_RDONLY); /* EBADF */
	case 7:
		return syscall(SYS_getcwd, buf, 1); /* ERANGE */
	case 8:
		return open("/proc/self/exe", O_WRONLY); /* ETXTBSY */
	case 9:
		return open("/proc/self/exe", O_RDONLY | O_NOFOLLOW); /* ELOOP */
	default:
		return unlink("/proc/version"); /* EPERM */
	}
}

static long fail_by_fd(int which)
{
	switch (which) {
	case 11:
		return read(with.directory, buf, 1); /* EISDIR */
	case 12:
		return lseek(with.file, -1, SEEK_SET); /* EINVAL */
	case 13:
		return syscall(SYS_ioctl, with.file, 0x5401, buf); /* ENOTTY */
	case 14:
		return fallocate(with.file, 0, 1LL << 62, 1LL << 62); /* EFBIG */
	case 15:
		return lseek(with.file, 1LL << 40, SEEK_DATA); /* ENXIO */
	case 16:
		return syscall(SYS_fsetxattr, with.file, "user.x", buf, 70000,
			       0); /* E2BIG */
	case 17:
		return fallocate(with.file, 0x8000, 0, 1); /* EOPNOTSUPP */
	default:
		return syscall(SYS_fgetxattr, with.file, "trusted.x", buf,
			       1); /* ENODATA */
	}
}

#define ERRNOS 19

static void run_errnos(const struct gate_command *self, const long *args)
{
	char line[512] = "";
	size_t len = 0;

	(void)self;
	for (int which = 0; which < ERRNOS; which++) {
		for (long i = 0; i < args[0]; i++) {
			if ((which < 11 ? fail_by_name(which) : fail_by_fd(which)) !=
			    -1)
				gate_die("errnos");
		}
		len +=
		    snprintf(line + len, sizeof(line) - len, " e%d=%d", which, errno);
	}
	gate_say("errnos=%d%s", ERRNOS, line);
}

static const struct gate_command commands[] = {
	{ "getppid", repeat, do_getppid, 1 },
	{ "pread", repeat, do_pread, 1 },
	{ "readv", repeat, do_readv, 2 },
	{ "pwrite", repeat, do_write_file, 1 },
	{ "getdents", repeat, do_getdents, 2 },
	{ "read_block", repeat, do_read_block, 1 },
	{ "open_enoent", repeat, do_open_enoent, 1 },
	{ "read_ebadf", repeat, do_read_ebadf, 1 },
	{ "read_isdir", repeat, do_read_isdir, 1 },
	{ "read_eagain", repeat, do_read_eagain, 1 },
	{ "write_null", repeat, do_write_null, 1 },
	{ "eventfd", repeat, do_event, 1 },
	{ "rw_socket", repeat, do_write_socket, 2 },
	{ "sendrecv", repeat, do_send, 2 },
	{ "connect_refused", repeat, do_connect_refused, 1 },
	{ "mprotect", repeat, do_mprotect, 1 },
	{ "futex", repeat, do_futex, 1 },
	{ "poll", repeat, do_poll, 1 },
	{ "epoll", repeat, do_epoll, 1 },
	{ "sleep", repeat, do_sleep, 1 },
	{ "has_32", run_has_32, NULL, 0 },
	{ "getpid_32", repeat, do_getpid_32, 1 },
	{ "write_32_ebadf", repeat, do_write_32_ebadf, 1 },
	{ "threads", run_threads, NULL, 0 },
	{ "errnos", run_errnos, NULL, 0 },
};

static int must(int fd, const char *what)
{
	if (fd < 0)
		gate_die(what);
	return fd;
}

/* A port that nobody listens on: bound, and given back when the load ends. */
static void open_nobody(void)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	socklen_t len = sizeof(with.nobody);

	with.nobody.sin_family = AF_INET;
	with.nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(fd, (struct sockaddr *)&with.nobody, len), "bind");
	must(getsockname(fd, (struct sockaddr *)&with.nobody, &len), "getsockname");
}

static void open_all(const char *block)
{
	struct epoll_event e = { .events = EPOLLIN };

	with.file = must(open("/tmp", O_TMPFILE | O_RDWR, 0600), "tmpfile");
	must(write(with.file, buf, sizeof(buf)), "write");
	with.directory = must(open("/proc/self", O_RDONLY | O_DIRECTORY), "directory");
	with.block = open(block, O_RDONLY);
	with.null = must(open("/dev/null", O_WRONLY), "null");
	must(pipe2(with.pipe, O_NONBLOCK), "pipe");
	with.event = must(eventfd(0, 0), "eventfd");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, with.unix_pair), "socketpair");
	with.tcp = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	with.epoll = must(epoll_create1(0), "epoll");
	must(epoll_ctl(with.epoll, EPOLL_CTL_ADD, with.pipe[0], &e), "epoll_ctl");
	memset(long_name, 'x', sizeof(long_name) - 1);
	open_nobody();
	with.page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (with.page == MAP_FAILED)
		gate_die("mmap");
}

/* calls [BLOCK_DEVICE] */
int main(int argc, char **argv)
{
	open_all(argc > 1 ? argv[1] : "/nonexistent");
	return gate_loop(commands, COUNT(commands));
}
