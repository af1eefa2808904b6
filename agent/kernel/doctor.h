/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine must have whatever is measured; every kernel feature is found by
 * trying it. What a probe needs beside that: probe_needs().
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

/* One kernel feature that assay cannot do without. */
struct doctor_feature {
	const char *name;
	/* 0, -ENOTSUP when the kernel lacks it, or -errno of a try that failed. */
	int (*try)(void);
};

extern const struct doctor_feature doctor_features[];
extern const size_t doctor_feature_count;

/* Tries one feature, without libbpf's messages. As try(). */
int doctor_try(const struct doctor_feature *feature);

/*
 * Capabilities to load tracing programs, from a text like that of /proc/PID/status:
 * 0, or -EPERM and in cause which ones are missing, in one line.
 */
int doctor_caps(const char *status, char *cause, size_t len);

/*
 * Does lockdown, in its mode "confidentiality", take bpf_probe_read_kernel away? Found
 * by trying it, as the file that says so may not be mounted. For who has privilege.
 */
bool doctor_locked_down(void);

/*
 * Everything that all probes need: 0, or -errno and in cause one line that names the
 * missing capabilities, or what the kernel lacks.
 */
int doctor_require(char *cause, size_t len);

/*
 * Can a process without capabilities make links of programs that it has? Then a probe
 * that is switched off can be attached again. 0, -EPERM or another -errno. For who has
 * privilege.
 */
int doctor_may_link(void);

#endif
