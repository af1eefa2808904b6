// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include "base/util.h"
#include "cmd/doctor_impl.h"
#include "kernel/doctor.h"
#include "kernel/forbidden.h"
#include "kernel/kernel_btf.h"
#include "kernel/needs.h"
#include "kernel/probe.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"

/* 0; 1: this kernel lacks it, or -errno: it could not be tried. */
static int check_feature(const struct doctor_feature *feature, const char *release)
{
	int err = doctor_try(feature);

	if (!err)
		return doctor_say(OK, "kernel", "%s", feature->name);
	if (err == -ENOTSUP)
		return doctor_say(FAIL, "kernel", "%s lacks %s", release,
				  feature->name);
	doctor_say(FAIL, "kernel", "%s: %s", feature->name, strerror(-err));
	return err;
}

/* Why the kernel lets nobody have what it has: once for all features. */
static void say_forbidden(int err)
{
	struct surroundings around;
	char why[400];

	forbidden_look(&around);
	forbidden_explain(&around, err, why, sizeof(why));
	doctor_say(FAIL, "privileges", "the capabilities are there, but %s", why);
}

/* What each probe that is wanted needs beside that; a line for each that cannot be had.
 */
static int check_needs(const struct options *o, const char *release)
{
	int failed = 0;

	for (size_t i = 0; i < probe_desc_count; i++) {
		const struct probe_desc *d = &probe_descs[i];
		struct needs needs;

		if (!probe_is_wanted(d, o->probes))
			continue;
		if (probe_needs(d, &needs))
			return doctor_say(FAIL, "kernel",
					  "its types (BTF) cannot be read");
		if (needs.missing)
			failed = doctor_say(FAIL, "kernel", "%s lacks %s: no probe %s",
					    release, needs.text, d->name);
	}
	kernel_btf_free();
	if (!failed)
		doctor_say(OK, "kernel", "all that each probe calls, reads and hooks");
	return failed;
}

/* How a probe is switched off and on again, by who has given up its capabilities. */
static void say_links(void)
{
	int err = doctor_may_link();

	if (!err)
		doctor_say(OK, "kernel",
			   "probes that are switched off can be attached again "
			   "without capabilities");
	else
		doctor_say(WARN, "kernel",
			   "nothing is attached without capabilities (%s): a probe "
			   "that is switched off stays attached and does nothing, "
			   "unless the agent keeps CAP_BPF, as it does before 5.19",
			   strerror(-err));
}

/* Trying features needs the capabilities: without them nothing is known of the kernel.
 */
int doctor_check_kernel(const struct options *o)
{
	char status[8192], cause[200];
	struct utsname u;
	int failed = 0, forbidden = 0;

	if (read_file("/proc/self/status", status, sizeof(status)) < 0)
		return doctor_say(FAIL, "capabilities",
				  "/proc/self/status cannot be read");
	if (doctor_caps(status, cause, sizeof(cause))) {
		doctor_say(FAIL, "capabilities", "%s", cause);
		doctor_say(WARN, "kernel",
			   "its features are not tried, for lack of privilege");
		return 1;
	}
	doctor_say(OK, "capabilities", "enough to load tracing programs");
	uname(&u);
	for (size_t i = 0; i < doctor_feature_count; i++) {
		int err = check_feature(&doctor_features[i], u.release);

		failed |= err != 0;
		forbidden = forbidden_is(err) ? err : forbidden;
	}
	if (forbidden)
		say_forbidden(forbidden);
	if (!failed)
		say_links();
	return failed | check_needs(o, u.release);
}

/* "none [integrity] confidentiality" in the file: the one in brackets holds. */
int doctor_check_lockdown(const struct options *o)
{
	char text[128];

	if (read_file(LOCKDOWN, text, sizeof(text)) < 0)
		text[0] = '\0';
	if (strstr(text, "[confidentiality]") || doctor_locked_down())
		return doctor_say(
		    WARN, "lockdown",
		    "confidentiality: the kernel forbids bpf_probe_read_kernel, "
		    "so probes that use it are unavailable");
	if (!text[0])
		return doctor_say(OK, "lockdown",
				  "this kernel has none, or securityfs is not mounted");
	return doctor_say(OK, "lockdown", "%s",
			  strstr(text, "[integrity]") ? "integrity: no hindrance"
						      : "off");
}
