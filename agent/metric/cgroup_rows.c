// SPDX-License-Identifier: Apache-2.0
/* What the files of a cgroup say. */
#include "base/util.h"
#include "metric/metrics.h"

static const char *const periods[] = { "false", "true" };
static const char *const resources[] = { "cpu", "memory", "io" };

/* Waits for a CPU and for a disk have histograms of their own. */
static const char *const basic_resources[] = { metric_left_out, "memory",
					       metric_left_out };

_Static_assert(COUNT(basic_resources) == COUNT(resources), "one for each resource");
_Static_assert(COUNT(resources) == USAGE_RESOURCES, "one name for each resource");

#define USAGE_BLIND                                                               \
	"A cgroup that the export finds gone already: what it had since the one " \
	"before. Cgroups below one count there too, so do not add a cgroup to "   \
	"those that hold it."

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.cgroup.cpu.time", "s",
			"CPU time of the cgroup and those below it.", METRIC_SUM,
			true },
	    .source = FROM_USAGE,
	    .signal = USAGE_CPU_TIME,
	    .value_count = 1,
	    .signal_name = "traffic",
	    .source_text = "cpu.stat: usage_usec. A cgroup that is older than the "
			   "agent counts from the agent's start, any other from its "
			   "own.",
	    .blind_text = USAGE_BLIND,
	},
	{
	    .metric = { "assay.cgroup.cpu.throttled.time", "s",
			"Time in which the cgroup was out of CPU quota, added up over "
			"CPUs.",
			METRIC_SUM, true },
	    .detail = true,
	    .source = FROM_USAGE,
	    .signal = USAGE_THROTTLED_TIME,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "cpu.stat: throttled_usec; needs the controller cpu.",
	    .blind_text = "Quotas of cgroups above it: those are theirs. What threads "
			  "waited for lack of quota is in assay.sched.wait.duration.",
	},
	{
	    .metric = { "assay.cgroup.cpu.periods", "{period}",
			"Periods of the CPU quota, by whether it ran out.", METRIC_SUM,
			.attrs = { "assay.throttled" } },
	    .detail = true,
	    .source = FROM_USAGE,
	    .signal = USAGE_PERIODS_FREE,
	    VALUES(periods),
	    .signal_name = "saturation",
	    .source_text = "cpu.stat: nr_throttled, and nr_periods less that; needs "
			   "the controller cpu.",
	    .blind_text = "The kernel counts periods only while there is a quota and "
			  "somebody to run.",
	},
	{
	    .metric = { "assay.cgroup.cpu.limit", "{cpu}",
			"CPUs that the cgroup may use by its own quota; absent when "
			"there is none.",
			METRIC_UPDOWN, true },
	    .detail = true,
	    .source = FROM_USAGE,
	    .signal = USAGE_CPU_LIMIT,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "cpu.max: quota / period; needs the controller cpu.",
	    .blind_text = "Quotas of cgroups above it; cpuset. As of up to a minute "
			  "ago.",
	},
	{
	    .metric = { "assay.cgroup.memory.usage", "By",
			"Memory charged to the cgroup and those below it.",
			METRIC_UPDOWN },
	    .source = FROM_USAGE,
	    .signal = USAGE_MEMORY,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "memory.current; needs the controller memory.",
	    .blind_text =
		"Page cache is in it. Of a cgroup in which nothing has run since "
		"the export before: as of up to a minute ago.",
	},
	{
	    .metric = { "assay.cgroup.memory.limit", "By",
			"Memory that the cgroup may use; absent when there is no limit "
			"of its own.",
			METRIC_UPDOWN },
	    .source = FROM_USAGE,
	    .signal = USAGE_MEMORY_LIMIT,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "memory.max; needs the controller memory.",
	    .blind_text =
		"Limits of cgroups above it; memory.high. As of up to a minute "
		"ago.",
	},
	{
	    .metric = { "assay.cgroup.memory.major_faults", "{fault}",
			"Page faults that had to read from a disk.", METRIC_SUM },
	    .detail = true,
	    .source = FROM_USAGE,
	    .signal = USAGE_MAJOR_FAULTS,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text =
		"memory.stat: pgmajfault, once a minute, as the kernel adds it "
		"up for who reads it; needs the controller memory.",
	    .blind_text = USAGE_BLIND,
	},
	{
	    .metric = { "assay.pressure.some.time", "s",
			"Time in which at least one task was stalled for lack of a "
			"resource.",
			METRIC_SUM, true, .attrs = { "assay.resource" } },
	    .basic = basic_resources,
	    .source = FROM_USAGE,
	    .signal = USAGE_SOME,
	    VALUES(resources),
	    .signal_name = "saturation",
	    .source_text =
		"cpu.pressure, memory.pressure, io.pressure: total of the "
		"line some. They are read when that of the node has grown; the "
		"CPU's when something of the cgroup has run; all once a minute.",
	    .blind_text = "Kernels with PSI off. The time of assay.pressure.full.time "
			  "is in it: do not add the two.",
	},
	{
	    .metric = { "assay.pressure.full.time", "s",
			"Time in which all tasks that were not idle were stalled for "
			"lack of a resource.",
			METRIC_SUM, true, .attrs = { "assay.resource" } },
	    .detail = true,
	    .source = FROM_USAGE,
	    .signal = USAGE_FULL,
	    VALUES(resources),
	    .signal_name = "saturation",
	    .source_text = "The same files: total of the line full.",
	    .blind_text = "Kernels with PSI off.",
	},
};

const struct metric_table cgroup_rows = { rows, COUNT(rows), PROBE_COUNT };
