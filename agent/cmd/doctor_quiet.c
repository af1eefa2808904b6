// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"
#include "cmd/doctor_impl.h"
#include "kernel/quiet.h"

int doctor_check_quiet(const struct options *o)
{
	struct cpu_list quiet;
	char text[200];

	quiet_find(o->quiet_cpus, &quiet);
	if (cpu_list_is_empty(&quiet))
		return 0;
	cpu_list_text(&quiet, text, sizeof(text));
	return doctor_say(
	    OK, "quiet CPUs",
	    "no reading of the agent interrupts what runs on CPUs %s; their "
	    "latest switches and calls may be told later",
	    text);
}
