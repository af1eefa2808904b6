// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/truth.h"

#define GRAIN_LEAST 5000 /* ns */
#define GRAIN_LOOKS 20	 /* so many looks of the usual length */
#define LOOKS	    33
/* CPU time of more than the wall's by this is not believed to the ns */
#define CPU_SHARE 50

void truth_add(struct truth *t, uint64_t low_ns, uint64_t high_ns)
{
	if (t->samples < TRUTH_SAMPLES) {
		t->low_ns[t->samples] = low_ns;
		t->high_ns[t->samples] = high_ns;
	}
	t->samples++;
	t->least++;
	t->most++;
	t->least_ns += low_ns;
	t->most_ns += high_ns;
}

void truth_count(struct truth *t, uint64_t n, uint64_t most_ns)
{
	t->least += n;
	t->most += n;
	t->most_ns += most_ns;
}

void truth_skip(struct truth *t, const char *what, int err)
{
	if (*t->why)
		return;
	if (err)
		snprintf(t->why, sizeof(t->why), "%s: %s", what, strerror(-err));
	else
		snprintf(t->why, sizeof(t->why), "%s", what);
}

uint64_t truth_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void truth_nap(uint64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

void truth_spin(uint64_t cpu_ns)
{
	uint64_t end = truth_cpu_ns() + cpu_ns;

	while (truth_cpu_ns() < end)
		;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

bool truth_is_emulated(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "QEMU TCG") != NULL;
	if (f)
		fclose(f);
	return found;
}

uint64_t truth_grain(void)
{
	uint64_t took[LOOKS], grain;

	for (int i = 0; i < LOOKS; i++) {
		took[i] = now_mono_ns();
		truth_cpu_ns();
		took[i] = now_mono_ns() - took[i];
	}
	qsort(took, LOOKS, sizeof(took[0]), compare);
	grain = took[LOOKS / 2] * GRAIN_LOOKS;
	return grain > GRAIN_LEAST ? grain : GRAIN_LEAST;
}

bool truth_sched_read(int fd, struct truth_sched *out)
{
	unsigned long long ran, delayed, runs;
	char text[100];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu %llu", &ran, &delayed, &runs) != 3)
		return false;
	*out = (struct truth_sched){ ran, delayed, runs };
	return true;
}

static void look_at_switches(struct truth_look *l)
{
	struct rusage r = { 0 };

	getrusage(RUSAGE_THREAD, &r);
	l->preempted = r.ru_nivcsw;
	l->slept = r.ru_nvcsw;
}

void truth_look_before(struct truth_look *l, int fd)
{
	struct truth_sched sched = { 0 };

	l->outer_ns = now_mono_ns();
	look_at_switches(l);
	truth_sched_read(fd, &sched);
	l->delayed_ns = sched.delayed_ns;
	l->cpu_ns = truth_cpu_ns();
	l->inner_ns = now_mono_ns();
}

void truth_look_after(struct truth_look *l, int fd)
{
	struct truth_sched sched = { 0 };

	l->inner_ns = now_mono_ns();
	l->cpu_ns = truth_cpu_ns();
	truth_sched_read(fd, &sched);
	l->delayed_ns = sched.delayed_ns;
	look_at_switches(l);
	l->outer_ns = now_mono_ns();
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void truth_asleep(const struct truth_look *before, const struct truth_look *after,
		  uint64_t *low_ns, uint64_t *high_ns)
{
	uint64_t cpu = after->cpu_ns - before->cpu_ns;
	uint64_t delayed = after->delayed_ns - before->delayed_ns;
	uint64_t inner = after->inner_ns - before->inner_ns;
	uint64_t outer = after->outer_ns - before->outer_ns;

	*low_ns = less(inner, cpu + delayed);
	*high_ns = less(outer, delayed + (cpu * CPU_SHARE < outer ? cpu : 0));
	if (after->preempted != before->preempted)
		*low_ns = 0;
}

void truth_add_sleep(struct truth *t, const struct truth_look *before,
		     const struct truth_look *after)
{
	uint64_t low, high;

	if (after->slept == before->slept)
		return;
	truth_asleep(before, after, &low, &high);
	truth_add(t, low, high);
}
