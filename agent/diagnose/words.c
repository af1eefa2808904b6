// SPDX-License-Identifier: Apache-2.0
/* Words of the commands that findings propose. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "diagnose/rule.h"
#include "view/report.h"

#define PLAIN                                                            \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" \
	"._/:@-"

/* Would a terminal see it as it is, and nobody take a part of it for a comment? */
static bool is_visible(const char *s)
{
	size_t size = 4 * strlen(s) + 1;
	char *shown = strstr(s, " #") ? NULL : malloc(size);
	bool same;

	if (!shown)
		return false;
	text_copy(shown, size, s, SIZE_MAX);
	same = !strcmp(shown, s);
	free(shown);
	return same;
}

/* In single quotes, which only end a single quote. */
static size_t in_quotes(char *out, size_t len, const char *s)
{
	size_t at = 0;

	out[at++] = '\'';
	for (; *s && at + 6 < len; s++) {
		if (*s == '\'')
			at += (size_t)sprintf(out + at, "'\\''");
		else
			out[at++] = *s;
	}
	out[at++] = '\'';
	out[at] = '\0';
	return *s ? 0 : at;
}

/* As $'...', where what is not visible is written in digits. */
static size_t in_digits(char *out, size_t len, const char *s)
{
	size_t at = (size_t)sprintf(out, "$'");

	for (; *s && at + 6 < len; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\'' || c == '\\')
			at += (size_t)sprintf(out + at, "\\%c", c);
		else if (c >= ' ' && c < 0x7f && c != '#')
			out[at++] = *s;
		else
			at += (size_t)sprintf(out + at, "\\%03o", c);
	}
	at += (size_t)sprintf(out + at, "'");
	return *s ? 0 : at;
}

const char *quoted(char *out, size_t len, const char *name)
{
	bool plain = *name && !name[strspn(name, PLAIN)] && *name != '-';
	size_t n;

	if (len < 8)
		return "''";
	if (plain && strlen(name) < len)
		return memcpy(out, name, strlen(name) + 1);
	n = plain	       ? 0
	    : is_visible(name) ? in_quotes(out, len, name)
			       : in_digits(out, len, name);
	if (!n)
		snprintf(out, len, "NAME");
	return out;
}

const char *cgroup_file_of(const struct look *l, const char *path, const char *file,
			   char out[WORD_LEN])
{
	const char *root = l->readings->cgroup_root;
	char whole[WORD_LEN];
	int n =
	    snprintf(whole, sizeof(whole), "%s%s/%s", root ? root : "/sys/fs/cgroup",
		     strcmp(path, "/") ? path : "", file);

	if (n < 0 || (size_t)n >= sizeof(whole))
		return strcpy(out, "FILE");
	return quoted(out, WORD_LEN, whole);
}

const char *cgroup_file(const struct look *l, const char *file, char out[WORD_LEN])
{
	return cgroup_file_of(l, l->now->resource ? frame_cgroup(l->now->resource) : "",
			      file, out);
}

/* The kernel's own threads have no cgroup, nor has the node. */
static bool has_processes(const struct look *l)
{
	return l->now->resource && *frame_cgroup(l->now->resource);
}

const char *process_of(const struct look *l, char out[WORD_LEN])
{
	char file[WORD_LEN];

	if (!has_processes(l) ||
	    snprintf(out, WORD_LEN, "$(head -1 %s)",
		     cgroup_file(l, "cgroup.procs", file)) >= WORD_LEN)
		strcpy(out, "PID");
	return out;
}

/* How many workloads have this name, or have it for a part of theirs. */
static size_t count_named(const struct frame *f, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i = report_group_end(f, i))
		n += report_is_workload(f->series[i].resource) &&
		     !strcmp(frame_name(f->series[i].resource), name);
	return n;
}

const char *again(const struct look *l)
{
	return l->readings->again ? l->readings->again : "";
}

const char *ask_why(const struct look *l, const char *path, const char *name,
		    char out[WORD_LEN])
{
	/* digits are a process, and two of one name are nobody */
	bool by_name = name[strspn(name, "0123456789")] && *name != '-' &&
		       count_named(l->now->frame, name) <= 1;
	char word[WORD_LEN / 2];

	snprintf(out, WORD_LEN, "assay why %s%s",
		 quoted(word, sizeof(word), by_name || *path != '/' ? name : path),
		 again(l));
	return out;
}

bool has_controller(const struct look *l, const char *name)
{
	const char *at = l->readings->controllers;
	size_t len = strlen(name);

	if (!at)
		return true;
	while ((at = strstr(at, name))) {
		bool begins =
		    at == l->readings->controllers || isspace((unsigned char)at[-1]);

		at += len;
		if (begins && (!*at || isspace((unsigned char)*at)))
			return true;
	}
	return false;
}

void then_in_net(const struct look *l, struct finding *f, const char *command)
{
	char process[WORD_LEN];

	then(f, "nsenter -t %s -n %s", process_of(l, process), command);
}

void then_ss(const struct look *l, struct finding *f, const char *options,
	     const char *peer, const char *comment)
{
	char command[WORD_LEN];

	snprintf(command, sizeof(command), "ss %s%s%s   # %s", options,
		 peer ? " dst " : "", peer ? peer : "", comment);
	then_in_net(l, f, command);
}

void then_of_each(const struct look *l, struct finding *f, const char *command,
		  const char *comment)
{
	char file[WORD_LEN], list[WORD_LEN + 16] = "PID";

	if (has_processes(l))
		snprintf(list, sizeof(list), "$(cat %s)",
			 cgroup_file(l, "cgroup.procs", file));
	then(f, "for p in %s; do %s; done%s%s", list, command, *comment ? "   # " : "",
	     comment);
}
