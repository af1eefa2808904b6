/* SPDX-License-Identifier: Apache-2.0 */
/* The probe table. How to add one: CONTRIBUTING.md. */
#ifndef PROBES_H
#define PROBES_H

#include <stdbool.h>
#include <stddef.h>

/* A program that is left out while one of another probe's does its work. */
struct probe_cover {
	const char *program;
	unsigned int by;	/* enum probe_id; comes before it in the table */
	const char *program_by; /* that one's */
};

struct probe_desc {
	const char *name;
	const char *hooks; /* for people */
	/* its programs that run in windows, in the order of its file; NULL: none does
	 */
	const char *windowed[3];
	const char *help;
	bool always;	/* on whatever --probes says */
	bool walk_off;	/* switched off its pass still runs: it empties a table */
	bool last_look; /* probe_forget() is run before it is off, too */
	bool rings;	/* its programs write records, which rings.c has replayed */
	bool tasks;	/* it has a part in the pass over tasks: tasks.c */
	unsigned int inflight; /* what it tells of as under way: 1 << enum inflight */
	/* of these, what is seen from its beginning on; the rest passes find */
	unsigned int seen_begin;
	/*
	 * ns a run that its hook takes beside what a program times itself, where that
	 * is not measured (hook_cost.h). sched, tcp, dns: wall time of `make bench`
	 * (sched.switch, tcp.packet, dns.packet; Linux 6.18, AMD EPYC) with the probe
	 * less that with nothing, less what its programs take by the kernel's
	 * statistics. The others' hooks are too rare there to be seen: taken for
	 * sched's.
	 */
	unsigned int hook_ns;
	bool off_last;		  /* by the budget: it is what the others rest upon */
	unsigned int tunes;	  /* beside enabled: a bit of enum tune_key each */
	struct probe_cover cover; /* at most one, so far */
	const unsigned char *elf, *elf_end;
	/* NULL, or the same for kernels without bpf_rdonly_cast (before 6.2) */
	const unsigned char *plain, *plain_end;
};

/* Indexed by enum probe_id of bpf/cell.h. */
extern const struct probe_desc probe_descs[];
extern const size_t probe_desc_count;

/* The probe of a name, which may be NULL: enum probe_id; PROBE_COUNT: there is none. */
size_t probe_named(const char *name);
/* The same of the first len characters. */
size_t probe_named_so(const char *name, size_t len);
/* Does it measure something, and not only help the others? Of an unknown name: yes. */
bool probe_measures(const char *name);

/* Does one of its programs run in windows only, when the probe does? */
bool probe_is_windowed(const struct probe_desc *desc, const char *program);

/* Is a probe in a list of names with commas between, or on whatever that says? */
bool probe_is_wanted(const struct probe_desc *desc, const char *list);

/* Their programs, indexed by enum program of bpf/cell.h. */
struct program_desc {
	const char *name;
	unsigned int probe; /* enum probe_id */
};

extern const struct program_desc programs[];

/* The object that finds our process id in the initial pid namespace. */
extern const unsigned char self_bpf_o[], self_bpf_o_end[];
/* What the agent runs on the rings of all CPUs (rings.c). */
extern const unsigned char rings_bpf_o[], rings_bpf_o_end[];
/* The pass over tasks, for all probes (tasks.c). */
extern const unsigned char tasks_bpf_o[], tasks_bpf_o_end[];
/* The object that finds the marks of agents (node_lock.c). */
extern const unsigned char node_bpf_o[], node_bpf_o_end[];

#endif
