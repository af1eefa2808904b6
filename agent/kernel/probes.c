// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "bpf/cell.h"
#include "kernel/objects.h"
#include "kernel/probes.h"
#include "kernel/tune.h"

#define EXTERN(name) extern const unsigned char name##_bpf_o[], name##_bpf_o_end[];
#define EXTERN_PLAIN(name)                                                         \
	extern const unsigned char name##_plain_bpf_o[], name##_plain_bpf_o_end[]; \
	EXTERN(name)
PROBE_OBJECTS(EXTERN, EXTERN_PLAIN)
EXTERN(cgroup)

#define ELF(name) .elf = name##_bpf_o, .elf_end = name##_bpf_o_end
#define ELF_PLAIN(name) \
	ELF(name), .plain = name##_plain_bpf_o, .plain_end = name##_plain_bpf_o_end

#define CALLS_INFLIGHT (((1U << CALL_CLASSES) - 1) << INFLIGHT_SYSCALL)

const struct probe_desc probe_descs[] = {
	[PROBE_SCHED] = {
		.name = "sched",
		.hooks = "sched_switch, task_newtask, iter/task, sched_migrate_task "
			 "(where dequeues are delayed)",
		.help = "time that tasks wait for a CPU, whom for, time that they sleep in "
			"calls, context switches, migrations",
		.tunes = TUNE_SAMPLE | TUNE_INFLIGHT,
		.rings = true,
		.tasks = true,
		.inflight = 1U << INFLIGHT_WAIT,
		.hook_ns = 40,
		.off_last = true,
		ELF_PLAIN(sched),
	},
	[PROBE_SYSCALL] = {
		.name = "syscall",
		.hooks = "sched_process_exit, iter/task, sys_exit, sys_enter",
		.windowed = { "syscall_exit", "syscall_enter" },
		.help = "system call durations by class, errors by errno",
		.tunes = TUNE_SAMPLE | TUNE_INFLIGHT | TUNE_DUTY | TUNE_WINDOW,
		.rings = true,
		.tasks = true,
		.inflight = CALLS_INFLIGHT,
		.seen_begin = CALLS_INFLIGHT,
		.hook_ns = 40,
		ELF_PLAIN(syscall),
	},
	[PROBE_TCP] = {
		.name = "tcp",
		.hooks = "inet_sock_set_state, tcp_destroy_sock, tcp_probe, net_dev_queue, "
			 "tcp_send_reset, tcp_receive_reset, iter/task_file",
		.windowed = { "tcp_segment_in", "tcp_packet_out" },
		.help = "connects, responses, round-trip time, bytes, retransmits, resets",
		.tunes = TUNE_INFLIGHT | TUNE_DUTY | TUNE_WINDOW,
		.last_look = true,
		.inflight = INFLIGHT_OF_FILES,
		.seen_begin = 3U << INFLIGHT_TCP,
		.hook_ns = 30,
		ELF_PLAIN(tcp),
	},
	[PROBE_DNS] = {
		.name = "dns",
		.hooks = "netif_receive_skb, net_dev_queue (tcp's program, if attached)",
		.windowed = { "dns_packet_in", "dns_packet_out" },
		.help = "DNS lookups over UDP: duration, result, timeouts",
		.tunes = TUNE_INFLIGHT | TUNE_TIMEOUT | TUNE_DUTY | TUNE_WINDOW,
		.cover = { "dns_packet_out", PROBE_TCP, "tcp_packet_out" },
		.walk_off = true, /* what waits keeps received packets busy */
		.inflight = 1U << INFLIGHT_DNS,
		.seen_begin = 1U << INFLIGHT_DNS,
		.hook_ns = 20,
		ELF_PLAIN(dns),
	},
	[PROBE_BLOCK] = {
		.name = "block",
		.hooks = "block_rq_issue, block_rq_complete",
		.help = "block requests: duration in queue and device, errors",
		.tunes = TUNE_INFLIGHT,
		.inflight = 1U << INFLIGHT_BLOCK,
		.hook_ns = 40,
		ELF(block),
	},
	[PROBE_MEMORY] = {
		.name = "memory",
		.hooks = "mm_vmscan_direct_reclaim_*, mm_vmscan_memcg_reclaim_*, "
			 "mark_victim, iter/task",
		.help = "reclaim stalls, OOM kills",
		.tunes = TUNE_INFLIGHT,
		.tasks = true,
		.inflight = 1U << INFLIGHT_RECLAIM,
		.hook_ns = 40,
		ELF(memory),
	},
	[PROBE_CGROUP] = {
		.name = "cgroup",
		.hooks = "cgroup_mkdir, cgroup_rmdir",
		.help = "names of short-lived workloads",
		.always = true,
		.hook_ns = 40,
		ELF(cgroup),
	},
};

const size_t probe_desc_count = COUNT(probe_descs);

size_t probe_named_so(const char *name, size_t len)
{
	size_t i = 0;

	while (i < PROBE_COUNT && (strlen(probe_descs[i].name) != len ||
				   memcmp(probe_descs[i].name, name, len)))
		i++;
	return i;
}

size_t probe_named(const char *name)
{
	return name ? probe_named_so(name, strlen(name)) : PROBE_COUNT;
}

bool probe_measures(const char *name)
{
	size_t i = probe_named(name);

	return i == PROBE_COUNT || !probe_descs[i].always;
}

bool probe_is_windowed(const struct probe_desc *desc, const char *program)
{
	for (size_t i = 0; i < COUNT(desc->windowed) && desc->windowed[i]; i++)
		if (!strcmp(desc->windowed[i], program))
			return true;
	return false;
}

bool probe_is_wanted(const struct probe_desc *desc, const char *list)
{
	size_t n = strlen(desc->name);

	for (; list && *list && !desc->always; list += strcspn(list, ",")) {
		list += *list == ',';
		if (!strncmp(list, desc->name, n) && (list[n] == ',' || !list[n]))
			return true;
	}
	return desc->always;
}

const struct program_desc programs[] = {
#define PROGRAM_ROW(name, probe) { #name, PROBE_##probe },
	PROGRAMS(PROGRAM_ROW)
};
_Static_assert(COUNT(probe_descs) == PROBE_COUNT, "one row for each enum probe_id");
