// SPDX-License-Identifier: Apache-2.0
/* `assay why`: whom it is about, now and before; the rest is diagnose/. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/number.h"
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/baseline.h"
#include "cmd/cmd.h"
#include "cmd/flaw_history.h"
#include "cmd/screen.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "diagnose/diagnose.h"
#include "diagnose/rule.h"
#include "view/counted.h"
#include "view/pick.h"
#include "workload/cgroup_root.h"
#include "workload/cpu_limit.h"
#include "workload/process.h"
#include "workload/stuck_threads.h"

#define EXIT_FOUND   3
#define DURATION_MS  10000
#define LISTED	     64
#define NAME_COLUMNS 60
#define AGAIN_LEN    400

/* Whom to look at: a name, a process's cgroup, or the kernel. */
struct target {
	char text[PROCESS_PATH];
	bool process, kernel;
	bool is_whole; /* of a process: its path is from the host's root */
};

/*
 * In a cgroup namespace a path does not say whose it is: that of who is in our own
 * cgroup is "/". The tree does, where it is the host's.
 */
static bool find_in_tree(const struct options *o, long pid, struct target *t)
{
	struct cgroup_root root;
	char cause[256];

	return !cgroup_root_find(o->cgroup_root, &root, cause, sizeof(cause)) &&
	       root.whole && process_search(root.path, pid, t->text, sizeof(t->text));
}

/*
 * A number is a process: then its cgroup, which the frame has by its path. Of a copy
 * nobody knows which processes there were on its node.
 */
static int parse_target(const struct options *o, const char *arg, struct target *t,
			char *cause, size_t cause_len)
{
	struct process p;
	uint64_t pid = 0;
	int err = number_parse(arg, LONG_MAX, &pid);

	snprintf(t->text, sizeof(t->text), "%s", arg);
	if (err == -EINVAL || (!err && !pid) || o->from)
		return 0;
	err = err ? -ESRCH : process_find("/proc", (long)pid, &p);
	if (err) {
		snprintf(cause, cause_len,
			 err == -ESRCH ? "%.64s: no process has this number here"
				       : "%.64s: this process is in no cgroup of v2",
			 arg);
		return err;
	}
	t->kernel = p.is_kernel;
	t->process = true;
	t->is_whole = p.is_whole || find_in_tree(o, pid, t);
	if (p.is_whole || !t->is_whole)
		memcpy(t->text, p.path, sizeof(t->text));
	return 0;
}

/* In a cgroup namespace the path of who is not below it begins with "/..": what is left
 * without that. */
static const char *below_ours(const char *path)
{
	while (!strncmp(path, "/..", 3) && (path[3] == '/' || !path[3]))
		path += 3;
	return path;
}

static int list_matches(const struct frame_attrs **found, size_t count,
			const char *text)
{
	char name[512], cgroup[4096];

	log_errorx("%.200s: %zu workloads have that in their name; which one?", text,
		   count);
	for (size_t i = 0; i < count && i < LISTED; i++) {
		text_copy(name, sizeof(name), frame_name(found[i]), NAME_COLUMNS);
		text_copy(cgroup, sizeof(cgroup), frame_cgroup(found[i]), SIZE_MAX);
		fprintf(stderr, "  %s  %s\n", name, cgroup);
	}
	if (count > LISTED)
		fprintf(stderr, "  and %zu more\n", count - LISTED);
	return EXIT_USAGE;
}

/*
 * Whom that means in a frame; of a process whose cgroup is not in it the one above. 0:
 * one workload; EXIT_USAGE: several, which are listed; -ENOENT: nobody.
 */
static int pick_one(const struct frame *f, const struct target *t,
		    const struct frame_attrs **out)
{
	const struct frame_attrs *found[LISTED];
	char path[4 * sizeof(t->text) + 1];
	size_t count;

	if (!t->process) {
		count = pick_workloads(f, t->text, found, LISTED);
		if (count > 1)
			return list_matches(found, count, t->text);
		*out = found[0];
		return count ? 0 : -ENOENT;
	}
	if (t->kernel) {
		*out = pick_kernel(f);
		return *out ? 0 : -ENOENT;
	}
	text_escape(path, below_ours(t->text)); /* as readings have it */
	*out = NULL;
	for (; *path && !*out; *strrchr(path, '/') = '\0')
		if (t->is_whole)
			*out = pick_cgroup(f, path);
		else if (path[1]) /* "/" ends no path, or is another's */
			*out = pick_end(f, path);
	return *out ? 0 : -ENOENT;
}

/* Where its series begin in the frame. SIZE_MAX: nowhere. */
static size_t first_of(const struct frame *f, const struct frame_attrs *resource)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->series[i].resource == resource)
			return i;
	return SIZE_MAX;
}

/*
 * Before ten seconds are spent on a name that means several: whom a running agent knows
 * now. Whoever is not there yet may still come.
 */
static int look_ahead(struct source *src, const struct target *t)
{
	const struct frame_attrs *one;
	struct frame *f;
	char cause[512];
	int status;

	if (source_read(src, true, &f, cause, sizeof(cause)))
		return 0; /* span_take() will say it */
	status = pick_one(f, t, &one);
	frame_free(f);
	return status == EXIT_USAGE ? status : 0;
}

static const char *source_name(const struct taken *t)
{
	return t->from_history ? "history" : t->from_agent ? "agent" : "self";
}

static int print(const struct options *o, const struct why *w)
{
	int err = o->format == FORMAT_JSON  ? why_json(w, stdout)
		  : o->format == FORMAT_CSV ? why_csv(w, stdout)
					    : why_table(w, stdout);

	if (err) {
		log_error(err, "the answer cannot be written");
		return 1;
	}
	return (w->workload ? w->workload->overall : w->node->overall) == ACTIONABLE
		   ? EXIT_FOUND
		   : 0;
}

/* What only files say, as of now. */
struct present {
	struct stuck_threads stuck;
	struct cpu_limit limit;
};

/* Where the cgroups are, and which controllers they have: of this node. */
struct here {
	struct cgroup_root root;
	char controllers[256];
};

static void look_here(const struct options *o, struct readings *r, struct here *out)
{
	char cause[256], path[PATH_MAX + 32];

	if (o->from ||
	    cgroup_root_find(o->cgroup_root, &out->root, cause, sizeof(cause)))
		return;
	r->cgroup_root = out->root.path;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", out->root.path);
	if (read_file(path, out->controllers, sizeof(out->controllers)) >= 0)
		r->controllers = out->controllers;
}

static void add_word(char out[AGAIN_LEN], const char *key, const char *value)
{
	char word[AGAIN_LEN / 2];
	size_t at = strlen(out);

	if (value)
		snprintf(out + at, AGAIN_LEN - at, " --%s %s", key,
			 quoted(word, sizeof(word), value));
}

/* The options by which another command looks at the same time, or copy. */
static void say_again(const struct options *o, char out[AGAIN_LEN])
{
	char *last = NULL;
	size_t len;
	FILE *f = o->last_ms ? open_memstream(&last, &len) : NULL;

	*out = '\0';
	if (f) {
		options_print_duration(f, o->last_ms);
		fclose(f);
	}
	add_word(out, "from", o->from);
	add_word(out, "at", o->at);
	add_word(out, "since", o->since);
	add_word(out, "until", o->until);
	add_word(out, "last", last);
	free(last);
}

/* What its threads sleep in now; NULL: that cannot be seen from here, or of who has no
 * cgroup of its own. */
static const struct stuck_threads *read_stuck(const struct readings *r,
					      const struct frame_attrs *resource,
					      struct stuck_threads *out)
{
	char path[2 * 4096];

	if (!*frame_cgroup(resource))
		return NULL;
	snprintf(path, sizeof(path), "%s%s", r->cgroup_root, frame_cgroup(resource));
	return stuck_threads_read(path, out) ? NULL : out;
}

static void look_at_present(struct readings *r, const struct frame_attrs *resource,
			    struct present *out)
{
	r->stuck = read_stuck(r, resource, &out->stuck);
	if (!cpu_limit_read(r->cgroup_root, frame_cgroup(resource), &out->limit))
		r->limit = &out->limit;
}

/*
 * Is there a cgroup of this path, or a name at the top, though nothing is told of it?
 * Then who it is, in attrs; its strings are the target's.
 */
static bool find_cgroup(const struct readings *r, const struct target *t,
			struct attr list[3], struct frame_attrs *out)
{
	const char *name = t->text + (*t->text == '/');
	char path[2 * 4096 + 32];

	if (!r->cgroup_root || !*name || strstr(t->text, ".."))
		return false;
	snprintf(path, sizeof(path), "%s/%s/cgroup.procs", r->cgroup_root, name);
	if (access(path, F_OK))
		return false;
	list[0] = (struct attr){ .key = "assay.workload.kind", .value = "cgroup" };
	list[1] = (struct attr){ .key = "assay.workload.name", .value = name };
	list[2] = (struct attr){ .key = "process.linux.cgroup", .value = t->text };
	*out = (struct frame_attrs){ list, 3 };
	return true;
}

static int answer_of(const struct options *o, struct why *w, struct diagnosis *d)
{
	int status;

	w->workload = d;
	status = print(o, w);
	w->workload = NULL;
	free(d);
	return status;
}

static int answer_workload(const struct options *o, struct why *w, struct readings *r,
			   const struct target *t)
{
	struct present present;
	const struct frame *f = w->readings->now;
	struct diagnosis *d = calloc(1, sizeof(*d));
	struct frame_attrs absent;
	const struct frame_attrs *one;
	struct attr list[3];
	char time[UNITS_LEN];
	bool live = strcmp(w->source, "history") != 0;
	int status = d ? pick_one(f, t, &one) : 1;

	if (!d)
		log_error(-ENOMEM, "the answer cannot be made");
	if (!status) {
		if (live && r->cgroup_root)
			look_at_present(r, one, &present);
		diagnose_workload(d, r, first_of(f, one));
		return answer_of(o, w, d);
	}
	if (status == -ENOENT && live && find_cgroup(r, t, list, &absent)) {
		diagnose_absent(d, r, &absent);
		return answer_of(o, w, d);
	}
	if (status == -ENOENT && !live && r->before) {
		/* it was there, but in that time it did nothing, or nobody looked */
		status = pick_one(r->before, t, &one);
		if (!status) {
			diagnose_absent(d, r, one);
			return answer_of(o, w, d);
		}
	}
	if (status == -ENOENT && t->process && !t->kernel && !t->is_whole) {
		log_errorx("%.200s: from in here (a cgroup namespace) this process's "
			   "workload is not to be told; mount the host's cgroup tree, "
			   "or give its name",
			   t->text);
		status = 1;
	} else if (status == -ENOENT) {
		log_errorx("%.200s: no workload of that name in %s (assay report "
			   "shows who there is)",
			   t->text, span_text(time, w->readings->now_s));
		status = 1;
	}
	free(d);
	return status;
}

struct node_threads {
	const struct readings *readings;
	struct stuck_threads stuck;
};

static const struct stuck_threads *
read_stuck_of_node(void *arg, const struct frame_attrs *resource)
{
	struct node_threads *t = arg;

	return read_stuck(t->readings, resource, &t->stuck);
}

static int answer_node(const struct options *o, struct why *w)
{
	struct node_diagnosis *d = calloc(1, sizeof(*d));
	struct node_threads threads = { .readings = w->readings };
	struct readings r = *w->readings;
	int err = -ENOMEM, status = 1;

	if (r.cgroup_root && strcmp(w->source, "history") != 0) {
		r.read_stuck = read_stuck_of_node;
		r.read_arg = &threads;
	}
	if (d)
		err = diagnose_node(d, &r);
	w->node = d;
	if (err)
		log_error(err, "the answer cannot be made");
	else
		status = print(o, w);
	w->node = NULL;
	if (d)
		diagnose_free_node(d);
	free(d);
	return status;
}

static int answer(const struct options *o, const struct taken *taken,
		  const struct target *t)
{
	struct counted_shares counted[2];
	struct baseline before;
	struct here here;
	struct flaw_history flaws = { .o = o, .time = taken->time };
	char again[AGAIN_LEN];
	struct readings r = { .now = taken->frame,
			      .now_s = taken->duration_s,
			      .flaw_since = flaw_history_since,
			      .flaw_arg = &flaws,
			      .again = again };
	struct why w = { .readings = &r,
			 .since_ns = taken->time.since_ns,
			 .until_ns = taken->time.until_ns,
			 .source = source_name(taken),
			 .columns = screen_columns(),
			 .host = taken->host.name };
	const struct history_span *kept;
	int status, err = baseline_take(o, &taken->time, &before);

	if (err == -EINVAL) {
		log_errorx("%s", before.cause);
		return EXIT_USAGE;
	}
	say_again(o, again);
	look_here(o, &r, &here);
	r.before = before.taken.frame;
	r.before_s = before.taken.duration_s;
	if (taken->from_history) {
		counted_shares_read(r.now, r.now_s, &counted[0]);
		r.now_counted = &counted[0];
	}
	if (r.before) {
		counted_shares_read(r.before, r.before_s, &counted[1]);
		r.before_counted = &counted[1];
	}
	w.before_since_ns = before.taken.time.since_ns;
	w.before_until_ns = before.taken.time.until_ns;
	w.no_baseline = before.cause;
	kept = taken->from_history ? &taken->kept : &before.taken.kept;
	w.kept_ns = kept->since_ns;
	w.kept_until_ns = kept->until_ns;
	status = o->node ? answer_node(o, &w) : answer_workload(o, &w, &r, t);
	frame_free(before.taken.frame);
	return status;
}

static int take(const struct options *o, const struct target *t, struct taken *taken)
{
	struct source src = { .o = o };
	struct span span;
	char cause[512];
	int status = 0;
	int err = span_of(o, now_wall_ns(), &span, cause, sizeof(cause));

	if (err) {
		log_errorx("%s", cause);
		return err == -EINVAL ? EXIT_USAGE : 1;
	}
	if (span.live && !o->node)
		status = look_ahead(&src, t);
	if (!status)
		err = span_take(&src, &span, taken, cause, sizeof(cause));
	source_close(&src);
	if (err)
		log_errorx("%s", cause);
	return err ? 1 : status;
}

static int run_why(const struct options *given, int argc, char **argv)
{
	struct options o = *given;
	struct target t = { 0 };
	struct taken taken = { 0 };
	char cause[256];
	int status;

	if (argc > 1 || (argc == 1) == o.node || (argc && !*argv[0])) {
		log_errorx("of whom? a workload's name, a part of it, a process id, or "
			   "--node");
		return EXIT_USAGE;
	}
	if (!options_is_given(given, "duration"))
		o.duration_ms = DURATION_MS;
	if (argc && parse_target(&o, argv[0], &t, cause, sizeof(cause))) {
		log_errorx("%s", cause);
		return 1;
	}
	status = take(&o, &t, &taken);
	if (!status)
		status = answer(&o, &taken, &t);
	frame_free(taken.frame);
	return status;
}

const struct cmd cmd_why = {
	.name = "why",
	.args = "WORKLOAD|PID|--node",
	.help = "what is wrong with a workload, or with --node the whole node",
	.examples =
	    "  assay why --node                  # the worst of all\n"
	    "  assay why shop/web                # a name, or a part of it\n"
	    "  assay why shop/web --at 10s       # ten seconds ago; or as 03:12\n"
	    "  assay why shop/web --last 30s --format json\n"
	    "Exit status: 0 nothing unusual, or inconclusive; 3 findings; 2 which one?\n",
	.mask = CMD_WHY,
	.run = run_why,
};
