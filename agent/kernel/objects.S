/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled probes, as data: see probes.c. */
	.section .rodata

.macro object name
	.balign 8
	.global \name\()_bpf_o
	.global \name\()_bpf_o_end
\name\()_bpf_o:
	.incbin "\name\().bpf.o"
\name\()_bpf_o_end:
.endm

	object sched
	object syscall
	object tcp
	object dns
	object block
	object memory
	object cgroup
	object self
	object node
	object rings

	.section .note.GNU-stack, "", %progbits
