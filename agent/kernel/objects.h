/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes that measure, once: their objects (objects.S, probes.c) and the default of
 * --probes, in this order. X: one object; P: a second one for older kernels, too
 * (bpf/kernel.bpf.h, PLAIN). The assembler reads this, too, so no C is in here.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#define PROBE_OBJECTS(X, P) P(sched) P(syscall) P(tcp) P(dns) X(block) X(memory)

#endif
