// SPDX-License-Identifier: Apache-2.0
/*
 * The bench's hands in the kernel, one word each:
 *
 *   bpf attach OBJECT HOOK...  empty programs on these tp_btf hooks until stdin closes
 *   bpf hooks [PID...]         HOOK ID NAME of the tp_btf programs that these processes
 *                              hold, or of all on the machine
 *   bpf stats PID...           HOOK NAME RUNS NS of the programs of these processes,
 *                              from now until a line comes on stdin; HOOK is - for
 *                              what is not on tp_btf
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define PROGS_MAX   1024
#define HOOK_PREFIX "btf_trace_"

struct prog {
	__u32 id;
	int fd;
	__u64 runs;
	__u64 ns;
};

struct progs {
	struct prog all[PROGS_MAX];
	int count;
};

/* Write the word that tells the bench that it may go on. */
static void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

/* Wait for a line, or the end, of stdin. */
static void wait_for_word(void)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return;
}

static int read_info(int fd, struct bpf_prog_info *info)
{
	__u32 size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &size);
}

/* The program id of a descriptor's fdinfo, 0 when it is not a program or a link. */
static __u32 prog_id(const char *dir, const char *fd)
{
	char path[512], line[128];
	__u32 id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, fd);
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "prog_id: %u", &id) == 1)
			break;
	}
	fclose(f);
	return id;
}

static int add_prog(struct progs *progs, __u32 id)
{
	int i, fd;

	for (i = 0; i < progs->count; i++) {
		if (progs->all[i].id == id)
			return 0;
	}
	if (progs->count == PROGS_MAX)
		return -E2BIG;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	progs->all[progs->count++] = (struct prog){ .id = id, .fd = fd };
	return 0;
}

/* Open every program of which PID holds a descriptor or a link; 0 or -errno. */
static int find_progs(struct progs *progs, const char *pid)
{
	char dir[64];
	struct dirent *entry;
	int err = 0;
	__u32 id;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%s/fdinfo", pid);
	d = opendir(dir);
	if (!d)
		return -errno;
	while (!err && (entry = readdir(d))) {
		id = prog_id(dir, entry->d_name);
		if (id)
			err = add_prog(progs, id);
	}
	closedir(d);
	return err;
}

/* Open every program on the machine; one that goes away meanwhile is no error. */
static int find_all_progs(struct progs *progs)
{
	__u32 id = 0;
	int err = 0;

	while (!err && !bpf_prog_get_next_id(id, &id)) {
		err = add_prog(progs, id);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

static int attach_hook(struct bpf_program *prog, const char *hook)
{
	int err = bpf_program__set_attach_target(prog, 0, hook);

	if (err)
		fprintf(stderr, "hook %s: %s\n", hook, strerror(-err));
	return err;
}

static int attach_all(struct bpf_object *object, char **hooks, int count)
{
	struct bpf_program *prog;
	int err, i = 0;

	bpf_object__for_each_program (prog, object) {
		if (i < count)
			err = attach_hook(prog, hooks[i++]);
		else
			err = bpf_program__set_autoload(prog, false);
		if (err)
			return err;
	}
	if (i < count)
		return -E2BIG;
	err = bpf_object__load(object);
	if (err)
		return err;
	bpf_object__for_each_program (prog, object) {
		if (bpf_program__autoload(prog) && !bpf_program__attach(prog))
			return -errno;
	}
	return 0;
}

static int cmd_attach(char **argv, int argc)
{
	struct bpf_object *object;
	int err;

	object = bpf_object__open_file(argv[0], NULL);
	if (!object)
		return -errno;
	err = attach_all(object, argv + 1, argc - 1);
	if (!err) {
		say_ready();
		wait_for_word();
	}
	return err;
}

/* The tp_btf hook of a program, or - when it is on none. */
static const char *hook_of(const struct btf *btf, const struct bpf_prog_info *info)
{
	const struct btf_type *type = btf__type_by_id(btf, info->attach_btf_id);
	const char *name = type ? btf__name_by_offset(btf, type->name_off) : "";

	if (strncmp(name, HOOK_PREFIX, strlen(HOOK_PREFIX)))
		return "-";
	return name + strlen(HOOK_PREFIX);
}

static int cmd_hooks(char **argv, int argc)
{
	struct progs progs = { 0 };
	struct bpf_prog_info info;
	struct btf *btf;
	int i, err = 0;

	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -errno;
	if (!argc)
		err = find_all_progs(&progs);
	for (i = 0; !err && i < argc; i++)
		err = find_progs(&progs, argv[i]);
	for (i = 0; !err && i < progs.count; i++) {
		err = read_info(progs.all[i].fd, &info);
		if (!err && strcmp(hook_of(btf, &info), "-"))
			printf("%s %u %s\n", hook_of(btf, &info), info.id, info.name);
	}
	btf__free(btf);
	return err;
}

static int cmd_stats(char **argv, int argc)
{
	struct progs progs = { 0 };
	struct bpf_prog_info info;
	struct btf *btf;
	int i, stats, err = 0;

	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -errno;
	for (i = 0; !err && i < argc; i++)
		err = find_progs(&progs, argv[i]);
	if (err)
		return err;
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		return stats;
	for (i = 0; i < progs.count; i++) {
		if (read_info(progs.all[i].fd, &info))
			return -errno;
		progs.all[i].runs = info.run_cnt;
		progs.all[i].ns = info.run_time_ns;
	}
	say_ready();
	wait_for_word();
	close(stats);
	for (i = 0; i < progs.count; i++) {
		if (read_info(progs.all[i].fd, &info))
			return -errno;
		printf("%s %s %llu %llu\n", hook_of(btf, &info), info.name,
		       (unsigned long long)(info.run_cnt - progs.all[i].runs),
		       (unsigned long long)(info.run_time_ns - progs.all[i].ns));
	}
	return 0;
}

int main(int argc, char **argv)
{
	int err = -EINVAL;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	if (argc > 3 && !strcmp(argv[1], "attach"))
		err = cmd_attach(argv + 2, argc - 2);
	else if (argc > 1 && !strcmp(argv[1], "hooks"))
		err = cmd_hooks(argv + 2, argc - 2);
	else if (argc > 2 && !strcmp(argv[1], "stats"))
		err = cmd_stats(argv + 2, argc - 2);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-err));
	return err ? 1 : 0;
}
