// SPDX-License-Identifier: Apache-2.0
/*
 * States of probes, one frame after the other: what a later one says of them is all
 * that holds.
 */
#include "fake_frame.h"
#include "base/util.h"

static const struct metric attached = { "assay.probe.attached", "", "", METRIC_GAUGE,
					.attrs = { "assay.probe", "assay.state",
						   "assay.reason" } };
static const struct metric lost = { "assay.lost", "{event}", "", METRIC_SUM,
				    .attrs = { "assay.probe", "assay.reason" } };

static struct frame *moment(const char *state, const char *reason, uint64_t events)
{
	struct points p = { 0 };
	struct point_group *g = points_group(&p);

	points_attr(g, "service.name", "assay");
	if (state) {
		add_sum(g, &attached, "tcp", state, reason, !reason);
		add_sum(g, &attached, "dns", "attached", NULL, 1);
	}
	add_sum(g, &lost, "tcp", "table_full", NULL, events);
	return to_frame(&p);
}

/* How many states a frame has of a probe; the last one. */
static size_t states(const struct frame *f, const char *probe, const char **state)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (strcmp(s->name, attached.name) != 0 ||
		    strcmp(frame_attr(&s->attrs, "assay.probe"), probe) != 0)
			continue;
		*state = frame_attr(&s->attrs, "assay.state");
		n++;
	}
	return n;
}

static void the_latest_state_is_the_only_one(void **state)
{
	struct frame *sum = moment("off", "by the budget", 2), *next;
	const char *is = NULL;

	next = moment("attached", NULL, 3);
	assert_int_equal(frame_add(sum, next), 0);
	frame_free(next);
	assert_int_equal(states(sum, "tcp", &is), 1);
	assert_string_equal(is, "attached");
	assert_int_equal(states(sum, "dns", &is), 1);
	next = moment("off", "by the budget", 4);
	assert_int_equal(frame_add(sum, next), 0);
	frame_free(next);
	assert_int_equal(states(sum, "tcp", &is), 1);
	assert_string_equal(is, "off");
	/* one that says nothing of it leaves it as it was */
	next = moment(NULL, NULL, 1);
	assert_int_equal(frame_add(sum, next), 0);
	frame_free(next);
	assert_int_equal(states(sum, "tcp", &is), 1);
	for (size_t i = 0; i < sum->count; i++)
		if (!strcmp(sum->series[i].name, lost.name))
			assert_int_equal(sum->series[i].i, 10);
	frame_free(sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_state_is_the_only_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
