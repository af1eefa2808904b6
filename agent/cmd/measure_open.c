// SPDX-License-Identifier: Apache-2.0
/*
 * Measuring begins in two steps: all that takes long first, so that an agent which
 * waits for its node has it done when its turn comes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "base/random.h"
#include "bpf/cgroup.h"
#include "cmd/group_options.h"
#include "cmd/kubelet_options.h"
#include "cmd/measure.h"
#include "cmd/measure_impl.h"
#include "kernel/doctor.h"
#include "kernel/kernel_btf.h"
#include "kernel/quiet.h"
#include "kernel/rings.h"
#include "metric/metrics.h"

/* Says which probes are missing, and why: lockdown takes several at once. */
static void warn_missing(const struct measure *m)
{
	char locked[256] = "";
	size_t len = 0;

	/* all names together are far shorter than the buffer */
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		const struct probe *p = &m->probes[i];

		if (p->state != PROBE_UNAVAILABLE)
			continue;
		if (p->locked)
			len += snprintf(locked + len, sizeof(locked) - len, " %s",
					p->desc->name);
		else
			log_warnx("probe %s: %s; going on without it", p->desc->name,
				  p->reason);
	}
	if (locked[0])
		log_warnx(PROBE_LOCKED "; going on without:%s", locked);
}

/* Loads a probe, if it is wanted. */
static void load_probe(struct measure *m, size_t i, const struct options *o)
{
	const struct probe_desc *d = &probe_descs[i];
	struct probe *p = &m->probes[i];
	bool covered = d->cover.program && m->probes[d->cover.by].state == PROBE_LOADED;

	p->desc = d;
	p->one_in = 1;
	if (!probe_is_wanted(d, o->probes))
		return;
	m->wanted++;
	/* when that fails, the probes that need it say why */
	if (d->rings && !m->cells.rings && !m->cells.rings_error)
		rings_open(&m->cells, &m->params);
	probe_load(p, d, &m->cells, &m->params, covered);
}

static int load_probes(struct measure *m, const struct options *o, char *cause,
		       size_t len)
{
	struct params *params = &m->params;
	int err = probe_params(&m->cells.plan, params, &m->cells.tunes.self_tgid);

	if (err) {
		snprintf(cause, len,
			 "cannot run the first BPF program: %s (try: assay doctor)",
			 strerror(-err));
		return err;
	}
	params->dns = probe_is_wanted(&probe_descs[PROBE_DNS], o->probes);
	for (size_t i = 0; i < probe_desc_count; i++)
		load_probe(m, i, o);
	err = tasks_open(&m->tasks, m->probes, &m->cells, params);
	if (err)
		log_warn(err, "cannot load the pass over tasks; going on without: how "
			      "long tasks wait now, or are in a call, is not told");
	kernel_btf_free();
	return 0;
}

/*
 * Attaches a probe that is loaded. When the one that would do a part of its work cannot
 * be attached, it is loaded anew, whole.
 */
static int attach_probe(struct measure *m, size_t i)
{
	const struct probe_desc *d = &probe_descs[i];
	struct probe *p = &m->probes[i];
	struct tune *t = &m->cells.tunes.tune[i];
	uint32_t number = t->enabled;
	int err;

	if (p->state == PROBE_LOADED && p->covered &&
	    m->probes[d->cover.by].state != PROBE_ATTACHED) {
		probe_close(p);
		probe_load(p, d, &m->cells, &m->params, false);
	}
	if (p->state != PROBE_LOADED)
		return 0;
	err = measure_on_begins(m, i);
	if (err)
		return err;
	probe_attach(p);
	measure_lose_walks(m, i, p->interrupted);
	return measure_on_ends(m, i, p->state == PROBE_ATTACHED ? number : 0);
}

static int attach_probes(struct measure *m, char *cause, size_t len)
{
	int err = 0;

	for (size_t i = 0; i < probe_desc_count && !err; i++)
		err = attach_probe(m, i);
	if (err) {
		snprintf(cause, len, "cannot tell the probes to begin: %s",
			 strerror(-err));
		return err;
	}
	warn_missing(m);
	if (!tasks_of_node())
		log_warnx("this is " TASKS_OWN_NAMESPACE);
	cgroups_events(m->cgroups, m->probes[PROBE_CGROUP].state == PROBE_ATTACHED);
	kernel_btf_free();
	return 0;
}

static int open_cells(struct measure *m, const struct options *o, char *cause,
		      size_t len)
{
	struct cells_plan plan;
	int err = cells_plan(o, &plan);
	char text[200];

	if (err == -ENOSPC) {
		plan_refusal(&plan, cause, len);
		return err;
	}
	if (!err && plan.asked) {
		plan_lowered(&plan, text, sizeof(text));
		log_warnx("%s", text);
	}
	if (!err)
		err = cells_open(&plan, &m->cells);
	if (err)
		snprintf(cause, len, "cannot create the maps (%zu KiB): %s",
			 plan_kernel_bytes(&plan) / 1024, strerror(-err));
	return err;
}

static int find_cgroups(struct measure *m, const struct options *o, char *cause,
			size_t len)
{
	int err = cgroup_root_find(o->cgroup_root, &m->root, cause, len);

	if (!err && !m->root.whole)
		log_warnx("%s is the cgroup tree of a container: what is not below it "
			  "counts as unknown (mount the host's, see --cgroup-root)",
			  m->root.path);
	return err;
}

static int find_resource(struct measure *m, const struct options *o, char *cause,
			 size_t len)
{
	int err = resource_init(&m->resource, o, cause, len);

	if (!err && m->resource.host.fleeting)
		log_warnx("host.id is the boot id, another one after each boot of the "
			  "node: see --host-root and --host-id");
	if (!err)
		err = names_open(o->host_root, &m->names);
	if (!err && o->host_root && !names_has_logs(m->names))
		log_info("names: no " NAMES_LOGS " below %s: pods have the names that "
			 "runtimes' files and the kubelet tell",
			 o->host_root);
	return err;
}

static int open_kubelet(struct measure *m, const struct options *o, char *cause,
			size_t len)
{
	struct kubelet_opts opts;
	int err;

	m->labels = grouping_labels(o);
	if (!kubelet_options(o, m->labels, &opts))
		return 0;
	if (opts.insecure)
		log_warnx("--kubelet-insecure: whoever answers at %s gets the token of "
			  "the service account, and is believed",
			  opts.url);
	err = kubelet_open(&opts, &m->kubelet, cause, len);
	if (!err)
		names_ask(m->names, m->kubelet);
	return err;
}

#define HOLD_MS	  30000
#define HOLD_NAME "ASSAY_TEST_HOLD" /* for tests, as an option has a time */

static uint64_t hold_ns(void)
{
	const char *text = getenv(HOLD_NAME);
	uint64_t ms = HOLD_MS;

	if (text && options_duration(text, 0, HOLD_MS, &ms))
		log_warnx(HOLD_NAME " is no time up to %d ms: it does not count",
			  HOLD_MS);
	return ms * 1000000;
}

int measure_open(const struct options *o, struct measure **out, char *cause, size_t len)
{
	struct measure *m;
	int err = doctor_require(cause, len);

	if (err)
		return err;
	m = calloc(1, sizeof(*m));
	if (!m) {
		snprintf(cause, len, "no memory");
		return -ENOMEM;
	}
	err = grouping_options(o, &m->grouping);
	if (err) {
		snprintf(cause, len, "what exports take together: %s", strerror(-err));
		free(m);
		return err;
	}
	m->culprits_sent = o->export_culprits;
	m->cap.most = o->series_per_metric;
	m->export_use =
	    METRICS_EXPORT | (o->series == SERIES_BASIC ? METRICS_BASIC : 0);
	m->wakes.fd = -1;
	m->random = random_seed();
	m->hold_ns = hold_ns();
	err = open_cells(m, o, cause, len);
	if (err) {
		grouping_fini(&m->grouping);
		free(m);
		return err;
	}
	err = find_cgroups(m, o, cause, len);
	if (!err)
		err = find_resource(m, o, cause, len);
	if (!err)
		err = open_kubelet(m, o, cause, len);
	if (!err)
		err = load_probes(m, o, cause, len);
	if (err)
		measure_close(m);
	else
		*out = m;
	return err;
}

static void note_new(void *names, const char *path)
{
	names_note(names, path);
}

/* Before the probe is attached: then its object goes. */
static void open_wakes(struct measure *m)
{
	const struct probe *p = &m->probes[PROBE_CGROUP];
	int err;

	if (p->state != PROBE_LOADED)
		return;
	err = wakes_open(&m->wakes, p->obj, CGROUP_WAKES);
	if (err)
		log_warn(err, "nobody wakes us for new containers: they are looked up "
			      "ten times a second");
}

int measure_begin(struct measure *m, char *cause, size_t len)
{
	int err = cgroups_open(m->root.path, &m->cells, &m->cgroups);

	if (err) {
		snprintf(cause, len, "the cgroup tree at %s cannot be read: %s",
			 m->root.path, strerror(-err));
		return err;
	}
	cgroups_on_new(m->cgroups, note_new, m->names);
	err = snapshot_open(&m->cells, m->cgroups, &m->snapshot);
	if (!err)
		snapshot_send_culprits(m->snapshot, m->culprits_sent, m->cap.most);
	if (!err)
		snapshot_group(m->snapshot, &m->grouping);
	if (!err)
		err = usage_open(m->cgroups, &m->usage);
	if (err) {
		snprintf(cause, len, "%s", strerror(-err));
		return err;
	}
	open_wakes(m);
	measure_calibrate(m, false);
	err = attach_probes(m, cause, len);
	if (err)
		return err;
	measure_calibrate(m, true);
	measure_note_times(m);
	self_init(&m->self);
	node_usage_read(&m->node); /* what was before is none of ours */
	measure_note_read(m);
	wall_measure(&m->wall);
	m->first_wall_ns = m->wall.offset_ns;
	m->kept.time_ns = now_boot_ns();
	return 0;
}

#define KEEP_LINKS_NAME \
	"ASSAY_TEST_KEEP_LINKS" /* for tests: as if none could be made */

void measure_see_links(struct measure *m)
{
	/* it is always there, and one stands for all */
	m->keeps_links = getenv(KEEP_LINKS_NAME) != NULL ||
			 !probe_may_link(&m->probes[PROBE_CGROUP]);
	if (m->keeps_links && m->probes[PROBE_CGROUP].state == PROBE_ATTACHED)
		log_warnx("links cannot be made without capabilities here: a probe "
			  "that is switched off stays attached and does nothing, "
			  "which costs, and --budget cannot be kept (see "
			  "--keep-privileges)");
}

bool measure_keep_quiet(struct measure *m, const char *cpus)
{
	struct cpu_list quiet;
	char text[200];

	quiet_find(cpus, &quiet);
	rings_keep_quiet(&m->cells, &quiet);
	if (cpu_list_is_empty(&quiet))
		return false;
	cpu_list_text(&quiet, text, sizeof(text));
	log_info("quiet CPUs: no reading interrupts what runs on CPUs %s", text);
	return true;
}

void measure_ask_kubelet(struct measure *m)
{
	int err = m->kubelet ? kubelet_start(m->kubelet) : 0;

	if (err)
		log_warn(err, "the kubelet is not asked: no thread");
}

int measure_try(void *arg)
{
	struct measure *m = arg;
	int err = rings_publish(&m->cells), fd; /* a map is written, a program run */

	if (err)
		return err;
	fd = tasks_pass(&m->tasks, m->probes); /* an iterator */
	if (fd >= 0)
		close(fd);
	return fd < 0 && fd != -ENOENT ? fd : 0;
}

void measure_close(struct measure *m)
{
	if (!m)
		return;
	tasks_close(&m->tasks);
	measure_govern_close(m->budget);
	node_usage_fini(&m->node);
	for (size_t i = 0; i < PROBE_COUNT; i++)
		probe_close(&m->probes[i]);
	snapshot_close(m->snapshot);
	usage_close(m->usage);
	wakes_close(&m->wakes);
	names_close(m->names);
	kubelet_close(m->kubelet);
	cgroups_close(m->cgroups);
	rings_close(&m->cells);
	cells_close(&m->cells);
	resource_fini(&m->resource);
	points_before_fini(&m->kept.self);
	grouping_fini(&m->grouping);
	free(m->labels);
	free(m);
}
