// SPDX-License-Identifier: Apache-2.0
/*
 * Changes a parameter of a running agent's probe (struct tune of bpf/cell.h), as the
 * agent does it: in the mapped control block.
 *
 *	tune PID PROBE KEY VALUE	PROBE: a number of enum probe_id, or a name of
 *					tcp, dns; KEY: a field of struct tune
 */
// libs: -lbpf
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "cell.h"

static int die(const char *what)
{
	fprintf(stderr, "tune: %s: %s\n", what, strerror(errno));
	return 1;
}

/* A descriptor of the map, when descriptor fd of the process is the control block. */
static int control_of(const char *pid, const char *fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), id = 0;
	char path[300], line[128];
	int map;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f) &&
	       sscanf(line, "map_id: %u", &id) != 1)
		;
	if (f)
		fclose(f);
	map = id ? bpf_map_get_fd_by_id(id) : -1;
	if (map < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(map, &info, &len) &&
	    !strcmp(info.name, ".data.control"))
		return map;
	close(map);
	return -1;
}

static int find_control(const char *pid)
{
	struct dirent *entry;
	char path[64];
	int map = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	while (dir && map < 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			map = control_of(pid, entry->d_name);
	if (dir)
		closedir(dir);
	return map;
}

static int probe_of(const char *name)
{
	if (!strcmp(name, "tcp"))
		return PROBE_TCP;
	if (!strcmp(name, "dns"))
		return PROBE_DNS;
	return atoi(name);
}

int main(int argc, char **argv)
{
	struct control *control;
	struct tune *tune;
	__u64 value;
	int map;

	if (argc != 5) {
		fprintf(stderr, "usage: tune PID PROBE KEY VALUE\n");
		return 2;
	}
	map = find_control(argv[1]);
	if (map < 0)
		return die("no control block");
	control =
	    mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (control == MAP_FAILED)
		return die("mmap");
	tune = &control->tune[probe_of(argv[2])];
	value = strtoull(argv[4], NULL, 10);
	if (!strcmp(argv[3], "enabled"))
		tune->enabled = value;
	else if (!strcmp(argv[3], "inflight_ns"))
		tune->inflight_ns = value;
	else if (!strcmp(argv[3], "timeout_ns"))
		tune->timeout_ns = value;
	else
		return die(argv[3]);
	return 0;
}
