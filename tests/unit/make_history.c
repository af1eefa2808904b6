// SPDX-License-Identifier: Apache-2.0
/*
 * What an agent would have seen, for tests of commands that need none:
 *
 *	make_history FILE END_S STEP_S COUNT    a history: COUNT readings of STEP_S
 *each, the last one until END_S (wall clock) make_history N what an agent answers, in
 *its N-th second
 *
 * Pods, units and a cgroup with a hostile name; in the last third of the history the
 *web server waits behind a job, its client's connects are refused, and a mail server is
 *there no more.
 */
#include "some_history.h"
#include "fake_why.h"

#define UNITS 10 /* sparse_of() keeps 64 histograms of a reading */

static void name_pod(struct point_group *g, const char *namespace, const char *pod,
		     const char *container)
{
	points_attr(g, "host.name", "node-of-test");
	points_attr(g, "assay.workload.kind", "container");
	points_attr(g, "assay.workload.name",
		    points_text(g, "%s/%s/%s", namespace, pod, container));
	points_attr(g, "k8s.namespace.name", namespace);
	points_attr(g, "k8s.pod.name", pod);
	points_attr(g, "k8s.container.name", container);
	points_attr(g, "container.image.name", "registry.example/of/test");
	points_attr(g, "process.linux.cgroup",
		    points_text(g, "/kubepods.slice/%s.slice", pod));
	points_attr(g, "service.instance.id", points_text(g, "%s of test", pod));
}

static void put_pods(struct points *p, bool bad)
{
	struct point_group *g = points_group(p);

	name_pod(g, "shop", "web-7d4b9c-x2k8p", "nginx");
	put_calm(g);
	if (bad) {
		WAITS("contention", 10 * MS, 500);
		BEHIND("/kubepods.slice/report-28816-q7v9d.slice", 5);
		put_hist(g, "assay.tcp.response.duration", "server", NULL, 50 * MS,
			 300);
	}
	points_merge(g);
	g = points_group(p);
	name_pod(g, "shop", "cart-66f5d-9jwlt", "app");
	put_calm(g);
	if (bad) {
		put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 200);
		put(g, "assay.tcp.peer.events", "refused", "10.0.3.7:5432", 200);
	}
	g = points_group(p);
	name_pod(g, "batch", "report-28816-q7v9d", "job");
	put(g, "assay.cgroup.cpu.time", NULL, NULL, bad ? 9 : 1);
	WAITS("contention", 20 * US, 100);
}

/* One that only the first two thirds of a history know. */
static void put_gone(struct points *p)
{
	struct point_group *g = points_group(p);

	name_pod(g, "post", "mail-5c9d8-2bq7w", "app");
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 1);
	CALLS("file", 100);
}

static void put_units(struct points *p)
{
	static char names[UNITS][32], paths[UNITS][64];
	struct point_group *g;

	for (unsigned int i = 0; i < UNITS; i++) {
		snprintf(names[i], sizeof(names[i]), "unit-%02u.service", i);
		snprintf(paths[i], sizeof(paths[i]), "/system.slice/%s", names[i]);
		g = add_workload(p, names[i], paths[i]);
		WAITS("contention", 20 * US, 10 + i);
		CALLS("file", 100 + i);
	}
	g = add_workload(p, "evil\033[31mname\r\302\2330m",
			 "/evil\033[31mname\r\302\2330m");
	WAITS("contention", 20 * US, 10);
	CALLS("file", 100);
	put(g, "assay.syscall.errors", "file", "ENOSPC", 3);
}

static void put_node(struct points *p, bool bad)
{
	static const struct scene scene = { .idle = 10 };
	struct point_group *agent = points_group(p);

	put_agent(agent, &scene);
	put_pods(p, bad);
	put_units(p);
}

/* All of it began then, but for what is as it is. */
static void begin_at(struct points *p, uint64_t start_ns)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++)
			if (p->groups[i].points[k].start_ns)
				p->groups[i].points[k].start_ns = start_ns;
}

static int add_reading(struct history_file *f, uint64_t until_ns, uint64_t step_ns,
		       bool bad)
{
	struct points p = { .time_ns = until_ns, .delta = true };
	struct history_reading r = { .since_ns = until_ns - step_ns,
				     .until_ns = until_ns,
				     .whole = true };
	char cause[256];
	uint8_t *bytes;
	size_t len;
	int err;

	put_node(&p, bad);
	if (!bad)
		put_gone(&p);
	begin_at(&p, r.since_ns);
	err = encode_all(&p, &bytes, &len);
	if (err)
		return err;
	some_pack(&r, bytes, len);
	free(bytes);
	err = history_file_add(f, &r, cause, sizeof(cause));
	if (err)
		fprintf(stderr, "%s\n", cause);
	free(r.bytes);
	points_fini(&p);
	return err;
}

static int make_history(const char *path, uint64_t end_s, uint64_t step_s,
			uint64_t count)
{
	static const struct history_fact facts[] = { { "host.name", "node-of-test" },
						     { "kernel.release", "6.1.0" },
						     { "cpus", "2" } };
	struct history_file f = {
		.path = path, .size = SIZE, .facts = facts, .fact_count = 3, .lock = -1
	};
	int err = 0;

	for (uint64_t i = 1; i <= count && !err; i++)
		err = add_reading(&f, (end_s - (count - i) * step_s) * NS, step_s * NS,
				  3 * i > 2 * count);
	history_file_close(&f);
	return err;
}

/* Everything since a start in 1970, times the second that it is. */
static int answer(unsigned int n)
{
	struct points p = { .time_ns = (n + 1) * SECOND };
	uint8_t *bytes;
	size_t len;
	int err;

	put_node(&p, false);
	for (size_t i = 0; i < p.count; i++)
		for (size_t k = 0; k < p.groups[i].count; k++)
			if (p.groups[i].points[k].metric->kind == METRIC_SUM &&
			    !p.groups[i].points[k].metric->real)
				p.groups[i].points[k].u *= n;
	err = encode_all(&p, &bytes, &len);
	if (err)
		return err;
	printf("ok %zu\n", len);
	fwrite(bytes, 1, len, stdout);
	free(bytes);
	points_fini(&p);
	return fflush(stdout) ? -EIO : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return answer(strtoul(argv[1], NULL, 10)) ? 1 : 0;
	if (argc != 5)
		return 2;
	return make_history(argv[1], strtoull(argv[2], NULL, 10),
			    strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10))
		   ? 1
		   : 0;
}
