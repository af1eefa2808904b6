// SPDX-License-Identifier: Apache-2.0
/* When the files of cgroups are read. */
#include <stdlib.h>
#include <time.h>
#include "base/log.h"
#include "base/util.h"
#include "cmd/measure_impl.h"
#include "workload/usage.h"

#define SECOND_NS 1000000000LL
/* for tests/bench: the log has what each reading of the files costs */
#define TIMES_NAME "ASSAY_TEST_FILES_TIME"

/* CPU time of this thread. */
static uint64_t spent_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

/*
 * Of each workload that is there: a few small files. A pod's are those of its sandbox,
 * if it has one.
 */
static void read_files(struct measure *m, bool whole)
{
	struct usage_round round;
	struct workload **workloads;
	uint64_t time_ns;
	size_t count;

	m->usage_ns = now_mono_ns();
	usage_round(m->usage, &round, whole);
	workloads = snapshot_workloads(m->snapshot, &count, &time_ns);
	for (size_t i = 0; i < count; i++) {
		struct workload *w = workloads[i], *of = w->into ? w->into : w;

		if (w->into ? of->sandbox != w->serial : w->sandbox && !w->gone)
			continue;
		if (w->path && !w->gone)
			usage_read(m->usage, &round, w->path, &of->usage);
		else
			usage_forget(m->usage, &w->usage);
	}
}

void measure_read_files(struct measure *m, bool whole)
{
	uint64_t began_ns;

	if (!getenv(TIMES_NAME)) {
		read_files(m, whole);
		return;
	}
	began_ns = spent_ns();
	read_files(m, whole);
	log_info("the files of cgroups took %.3f ms of CPU time",
		 (spent_ns() - began_ns) * 1e-6);
}

void measure_usage(struct measure *m, uint64_t age_ns)
{
	if (now_mono_ns() - m->usage_ns >= age_ns)
		measure_read_files(m, false);
}
