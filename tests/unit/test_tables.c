// SPDX-License-Identifier: Apache-2.0
/* What a probe needs in tables that no compiler compares: who adds one is told here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/options.h"
#include "base/util.h"
#include "bpf/cell.h"
#include "cmd/option_rows.h"
#include "kernel/probes.h"
#include "metric/metrics.h"

static const char *const signal_names[] = {
#define SIGNAL_NAME(name, pool, values, shards) #name,
	SIGNALS(SIGNAL_NAME)
};

static void each_probe_has_its_row_and_its_object(void **state)
{
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		const struct probe_desc *d = &probe_descs[i];

		if (!d->name)
			fail_msg("agent/kernel/probes.c: no row for enum probe_id %zu",
				 i);
		if (!d->hooks || !d->help)
			fail_msg("agent/kernel/probes.c: %s: no hooks or no help",
				 d->name);
		if (!d->hook_ns)
			fail_msg("agent/kernel/probes.c: %s: no hook_ns", d->name);
		if (!d->elf || d->elf_end - d->elf < 1000)
			fail_msg("agent/kernel/probes.c: %s: no object", d->name);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(probe_descs[k].name, d->name) ||
			    probe_descs[k].elf == d->elf)
				fail_msg("agent/kernel/probes.c: %s: two probes",
					 d->name);
	}
}

static void each_probe_has_a_program(void **state)
{
	bool has[PROBE_COUNT] = { false };

	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		has[programs[i].probe] = true;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (!has[i])
			fail_msg("bpf/cell.h: PROGRAMS: none of the probe %s",
				 probe_descs[i].name);
}

/* One that is always on is not named. */
static void each_probe_is_measured_unless_told_otherwise(void **state)
{
	struct options o;
	char want[256] = "";

	options_init(&o, &option_table);
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (!probe_descs[i].always)
			snprintf(want + strlen(want), sizeof(want) - strlen(want),
				 "%s%s", *want ? "," : "", probe_descs[i].name);
	assert_string_equal(o.probes, want); /* agent/kernel/objects.h */
}

static const struct metric_row *row_of(const char *name)
{
	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count; k++)
			if (!strcmp(metric_tables[i]->rows[k].metric.name, name))
				return &metric_tables[i]->rows[k];
	return NULL;
}

static bool is_fixed(const struct metric_row *r)
{
	return r->source == FROM_HIST || r->source == FROM_LANE ||
	       r->source == FROM_OPEN_CONNECTIONS;
}

/* The signals of a row: its values may be those of several, one behind the other. */
static void mark(bool *has, const struct metric_row *r)
{
	unsigned int signal = r->signal, n = 0;

	do {
		has[signal] = true;
		n += snapshot_values(signal++);
	} while (r->source == FROM_HIST && n < r->value_count);
	if (r->source == FROM_HIST)
		assert_int_equal(n, r->value_count);
}

static void each_signal_is_in_a_metric(void **state)
{
	bool has[SIGNAL_COUNT] = { false };

	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count; k++)
			if (is_fixed(&metric_tables[i]->rows[k]))
				mark(has, &metric_tables[i]->rows[k]);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (!has[i])
			fail_msg(
			    "SIGNAL_%s is in no row of the tables that METRIC_TABLES "
			    "(agent/metric/metrics.h) lists",
			    signal_names[i]);
}

static void a_metric_is_as_exact_as_its_events_are(void **state)
{
	static const struct {
		const char *name;
		enum metrics_exactness wanted;
	} cases[] = {
		{ "assay.sched.wait.duration", METRICS_EXACT },
		{ "assay.syscall.duration", METRICS_ESTIMATED },
		{ "assay.syscall.errors", METRICS_ESTIMATED },
		{ "assay.tcp.connect.errors", METRICS_EXACT },
		{ "assay.tcp.response.errors", METRICS_ESTIMATED },
		{ "assay.tcp.accepts", METRICS_ESTIMATED },
		{ "assay.tcp.peer.events", METRICS_PARTLY },
		{ "assay.dns.server.events", METRICS_PARTLY },
		{ "assay.block.errors", METRICS_EXACT },
		{ "assay.cgroup.cpu.time", METRICS_EXACT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct metric_row *r = row_of(cases[i].name);

		if (!r || metrics_exactness(r) != cases[i].wanted)
			fail_msg("%s", cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_probe_has_its_row_and_its_object),
		cmocka_unit_test(each_probe_has_a_program),
		cmocka_unit_test(each_probe_is_measured_unless_told_otherwise),
		cmocka_unit_test(each_signal_is_in_a_metric),
		cmocka_unit_test(a_metric_is_as_exact_as_its_events_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
