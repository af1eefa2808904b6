// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/units.h"
#include "base/util.h"
#include "cmd/doctor_impl.h"
#include "sink/history_read.h"

static int say_kept(const struct options *o, struct history_reader *r)
{
	struct history_span range;
	char back[UNITS_LEN];
	uint64_t now = now_wall_ns();

	if (history_reader_range(r, &range))
		return doctor_say(OK, "history", "%s: nothing is in it yet",
				  o->history);
	return doctor_say(
	    OK, "history", "%s: goes %s back, the latest reading is %s old", o->history,
	    units_age(back, (now - range.since_ns) * 1e-9),
	    units_age((char[UNITS_LEN]){ 0 },
		      now > range.until_ns ? (now - range.until_ns) * 1e-9 : 0));
}

/* Where an agent would make it: the nearest directory that is there. */
static int say_new(const char *path)
{
	char dir[4096], *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	while ((slash = strrchr(dir, '/'))) {
		*(slash == dir ? slash + 1 : slash) = '\0';
		if (!access(dir, F_OK) || slash == dir)
			break;
	}
	if (!access(slash ? dir : ".", W_OK | X_OK))
		return doctor_say(OK, "history", "an agent will keep it in %s", path);
	return doctor_say(WARN, "history",
			  "none will be kept in %s: %s: %s (see --history)", path,
			  slash ? dir : ".", strerror(errno));
}

int doctor_check_history(const struct options *o)
{
	struct history_reader *r;
	char cause[512];
	int err;

	if (!strcmp(o->history, "none"))
		return doctor_say(OK, "history", "none is kept");
	err = history_reader_open(o->history, &r, cause, sizeof(cause));
	if (err == -ENOENT)
		return say_new(o->history);
	if (err)
		return doctor_say(WARN, "history", "%s", cause);
	err = say_kept(o, r);
	history_reader_close(r);
	return err;
}
