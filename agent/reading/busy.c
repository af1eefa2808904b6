// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "reading/busy.h"

#define LINE_MOST  120			 /* of a CPU: ten numbers */
#define NS_OF_TICK (1000000000ULL / 100) /* USER_HZ is 100 on all that we run on */

int busy_open(struct busy *b, uint32_t cpus)
{
	*b = (struct busy){ .size = (cpus + 2) * LINE_MOST };
	b->fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	if (b->fd < 0)
		return -errno;
	b->text = malloc(b->size);
	return b->text ? 0 : -ENOMEM;
}

/* "cpu3 user nice system idle iowait irq softirq steal ...": the CPU; -1: another line.
 */
static long parse_line(const char *line, uint64_t *ticks)
{
	uint64_t v[7] = { 0 };
	char *end;
	long cpu;

	if (strncmp(line, "cpu", 3) || line[3] < '0' || line[3] > '9')
		return -1;
	cpu = strtol(line + 3, &end, 10);
	for (int i = 0; i < 7; i++) {
		const char *at = end;

		if (*at != ' ')
			return -1;
		v[i] = strtoull(at, &end, 10);
		if (end == at)
			return -1;
	}
	*ticks = v[0] + v[1] + v[2] + v[5] + v[6];
	return cpu;
}

int busy_parse(const char *text, uint64_t *ns, uint32_t cpus)
{
	uint32_t seen = 0;

	for (const char *line = text; *line; line++) {
		const char *end = strchr(line, '\n');
		uint64_t ticks;
		long cpu;

		if (!end || strncmp(line, "cpu", 3))
			break; /* all CPUs come first; what was cut off is none */
		cpu = parse_line(line, &ticks);
		if (cpu >= 0 && cpu < (long)cpus) {
			ns[cpu] = ticks * NS_OF_TICK;
			seen++;
		}
		line = end;
	}
	return seen ? 0 : -EINVAL;
}

int busy_read(struct busy *b, uint64_t *ns, uint32_t cpus)
{
	ssize_t n = b->text ? pread(b->fd, b->text, b->size - 1, 0) : -1;

	if (n < 0)
		return b->text ? -errno : -EBADF;
	b->text[n] = '\0';
	return busy_parse(b->text, ns, cpus);
}

void busy_close(struct busy *b)
{
	if (b->fd >= 0)
		close(b->fd);
	free(b->text);
}
