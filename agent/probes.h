/* SPDX-License-Identifier: Apache-2.0 */
/* The probe table: a new probe is bpf/NAME.bpf.c, objects.S and a row in probes.c. */
#ifndef PROBES_H
#define PROBES_H

#include <stddef.h>

struct probe_desc {
	const char *name;
	const char *hooks; /* for people */
	const char *help;
	int always;	    /* on whatever --probes says */
	unsigned int tunes; /* beside enabled: a bit of enum tune_key each */
	const unsigned char *elf, *elf_end;
};

/* Indexed by enum probe_id of bpf/cell.h. */
extern const struct probe_desc probe_descs[];
extern const size_t probe_desc_count;

/* The object that tells our process id in the initial pid namespace. */
extern const unsigned char self_bpf_o[], self_bpf_o_end[];

#endif
