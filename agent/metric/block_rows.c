// SPDX-License-Identifier: Apache-2.0
/* Block requests. */
#include "base/util.h"
#include "metric/errno_name.h"
#include "metric/metrics.h"

static const char *const block_directions[] = { "read", "write", "flush", "discard",
						"_OTHER" };

_Static_assert(COUNT(block_directions) == BLOCK_DIRECTIONS, "one for each direction");

/* A disk, whose name was taken down when its cells were read. */
static const char *name_device(uint32_t attr, char *name, size_t len)
{
	return name;
}

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.block.operation.duration", "s",
			"Block requests, from their beginning to their completion: in "
			"the queue and in the device.",
			METRIC_HISTOGRAM,
			.attrs = { "disk.io.direction", "system.device" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_BLOCK_OPERATION,
	    VALUES(block_directions),
	    .open_name = name_device,
	    .open_text = "a device's name",
	    .signal_name = "latency, traffic (its count)",
	    .source_text =
		"block_rq_complete: request.start_time_ns, where RQF_IO_STAT "
		"says that it is valid; where it does not (queue/iostats is 0), the "
		"request is lost as no_stamp. The workload is the cgroup of its "
		"first bio, or the nearest above that has the io controller.",
	    .blind_text =
		"Devices without requests (zram, dm, md): the disks under "
		"them have them. Time that a bio waits before it is a request "
		"(io.max, dm-delay). Where blkio is a v1 hierarchy (see assay doctor), "
		"all requests are the root cgroup's; flushes always are. A request of "
		"a loop device counts there and at the disk below. A device that comes "
		"back under its name goes on in that one's series; after 512 names, "
		"and for a workload after 16, further ones are `_OTHER`.",
	},
	{
	    .metric = { "assay.block.device.duration", "s",
			"Block requests in the device alone.", METRIC_HISTOGRAM,
			.attrs = { "disk.io.direction", "system.device" } },
	    .detail = true,
	    .source = FROM_OPEN,
	    .signal = OPEN_BLOCK_DEVICE,
	    VALUES(block_directions),
	    .open_name = name_device,
	    .open_text = "a device's name",
	    .signal_name = "latency",
	    .source_text =
		"block_rq_complete: request.io_start_time_ns, where RQF_STATS "
		"says that it is valid.",
	    .blind_text = "Devices whose kernel or scheduler does not stamp the issue. "
			  "Whose it is: as for assay.block.operation.duration.",
	},
	{
	    .metric = { "assay.block.errors", "{error}", "Block requests that failed.",
			METRIC_SUM, .attrs = { "error.type" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_BLOCK_ERROR,
	    .value_count = 1,
	    .open_name = errno_name,
	    .open_text = "an errno name, `_OTHER`",
	    .signal_name = "errors",
	    .source_text =
		"block_rq_complete: its status, as the errno that the kernel "
		"makes of it.",
	    .blind_text = "Whose it is: as for assay.block.operation.duration.",
	},
};

const struct metric_table block_rows = { rows, COUNT(rows), PROBE_BLOCK };
