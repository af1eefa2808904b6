// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/measure.h"
#include "cmd/sandbox.h"
#include "kernel/call_filter.h"
#include "kernel/privileges.h"

#define OPENS_ALL (1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH)
#define WAY_OUT	  "give it to user %u, or see --keep-privileges"

/* Files that are opened anew, for what was renewed there. */
static void warn_unreadable(const struct options *o)
{
	const struct {
		const char *key, *path;
	} files[] = { { "export-certificate", o->certificate },
		      { "export-client-certificate", o->client_certificate },
		      { "export-client-key", o->client_key } };

	for (size_t i = 0; i < COUNT(files); i++)
		if (files[i].path && access(files[i].path, R_OK))
			log_warn(
			    -errno,
			    "--%s %s: cannot be read without capabilities; " WAY_OUT,
			    files[i].key, files[i].path, geteuid());
}

/* SIGHUP, when a file was renamed, makes a new one beside it. */
static void warn_rotation(const char *export)
{
	const char *path = export + strlen("file:"), *slash;
	char dir[PATH_MAX];
	struct stat st;

	if (strncmp(export, "file:", 5) || (!stat(path, &st) && !S_ISREG(st.st_mode)))
		return;
	slash = strrchr(path, '/');
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	if (access(path, W_OK) || access(dir, W_OK | X_OK))
		log_warn(-errno,
			 "--export %s: after SIGHUP it cannot be opened, or made anew, "
			 "without capabilities; " WAY_OUT,
			 export, geteuid());
}

static void drop(const struct options *o, struct measure *m)
{
	struct privileges p;
	int err = privileges_drop(&p, measure_try, m);
	char text[512];

	if (err) {
		log_warn(err, "the capabilities cannot be given up");
		return;
	}
	privileges_names(p.kept, text, sizeof(text));
	log_info("capabilities kept: %s", text);
	if (p.had & ~p.kept & OPENS_ALL) {
		warn_unreadable(o);
		warn_rotation(o->export);
	}
}

static void filter(void)
{
	int count = call_filter_install();

	if (count < 0)
		log_warn(count, "system calls cannot be filtered (seccomp)");
	else
		log_info("system calls let through: %d, the others fail", count);
}

void sandbox_enter(const struct options *o, struct measure *m)
{
	if (o->keep_privileges) {
		log_info("all capabilities are kept, and all system calls let through "
			 "(--keep-privileges)");
		return;
	}
	drop(o, m);
	if (CALL_FILTER_SUITS)
		filter();
	else
		log_info("system calls are not filtered: built with a sanitizer");
}

void sandbox_tell(void)
{
	char *name;
	int number;

	while ((number = call_filter_refused(&name)) >= 0) {
		log_warnx("system call %s (%d) failed, as the agent does not need it; "
			  "should something be missing now: see --keep-privileges",
			  name ? name : "?", number);
		free(name);
	}
}
