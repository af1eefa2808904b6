// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "kernel/hook_cost.h"
#include "kernel/probes.h"

void hook_cost_burst(struct hook_cost *h, bool attached)
{
	uint64_t began;

	if (h->count[attached] == HOOK_BURSTS)
		return;
	began = now_mono_ns();
	for (int i = 0; i < HOOK_CALLS; i++)
		syscall(SYS_getppid); /* the library's function may know the answer */
	h->bursts[attached][h->count[attached]++] =
	    (double)(now_mono_ns() - began) / HOOK_CALLS;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* What disturbs a burst only makes it longer: of ten the third shortest. */
static double steady(const double *values)
{
	double sorted[HOOK_BURSTS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, HOOK_BURSTS, sizeof(sorted[0]), compare);
	return sorted[HOOK_BURSTS / 4];
}

bool hook_cost_settle(struct hook_cost *h)
{
	double ns;

	if (h->count[0] < HOOK_BURSTS || h->count[1] < HOOK_BURSTS)
		return false;
	ns = steady(h->bursts[1]) - steady(h->bursts[0]) - h->own_ns;
	h->pair_ns = ns > 0 ? ns : 0;
	h->count[0] = h->count[1] = 0;
	return true;
}

double hook_cost_of(const struct hook_cost *h, enum program program)
{
	if (h->pair_ns &&
	    (program == PROGRAM_syscall_enter || program == PROGRAM_syscall_exit))
		return h->pair_ns / 2;
	return probe_descs[programs[program].probe].hook_ns;
}
