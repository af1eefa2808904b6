/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled probes, as data: see probes.c. */
#include "kernel/objects.h"

	.section .rodata

.macro data symbol file
	.balign 8
	.global \symbol
	.global \symbol\()_end
\symbol:
	.incbin "\file"
\symbol\()_end:
.endm

.macro object name
	data \name\()_bpf_o, \name\().bpf.o
.endm

/* Those that are compiled a second time: see bpf/kernel.bpf.h, PLAIN. */
.macro objects name
	object \name
	data \name\()_plain_bpf_o, \name\().plain.bpf.o
.endm

#define OBJECT(name) object name;
#define OBJECTS(name) objects name;
	PROBE_OBJECTS(OBJECT, OBJECTS)
	object cgroup
	object self
	object node
	object rings
	object tasks

	.section .note.GNU-stack, "", %progbits
