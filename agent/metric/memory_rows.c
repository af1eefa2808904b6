// SPDX-License-Identifier: Apache-2.0
/* Memory that is short. */
#include "base/util.h"
#include "metric/metrics.h"

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.memory.reclaim.duration", "s",
			"Time in which tasks had to free memory before they got some.",
			METRIC_HISTOGRAM },
	    .source = FROM_HIST,
	    .signal = SIGNAL_RECLAIM,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text =
		"mm_vmscan_memcg_reclaim and mm_vmscan_direct_reclaim, begin "
		"and end.",
	    .blind_text =
		"Waits for what was reclaimed to be read again: those are in "
		"assay.pressure.*. Reclaim that was asked for (memory.reclaim, a "
		"lower memory.max) is that of whoever asked.",
	},
	{
	    .metric = { "assay.memory.oom_kills", "{kill}",
			"Processes of the workload that the kernel killed for lack of "
			"memory.",
			METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_MEMORY_COUNT,
	    .lanes = { { MEMORY_OOM_KILLS } },
	    .lane_count = 1,
	    .signal_name = "errors",
	    .source_text = "mark_victim, by the victim's cgroup.",
	    .blind_text = "A kernel whose mark_victim has only a process id: a victim "
			  "that did not run out of memory itself is `unknown`'s.",
	},
};

const struct metric_table memory_rows = { rows, COUNT(rows), PROBE_MEMORY };
