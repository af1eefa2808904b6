// SPDX-License-Identifier: Apache-2.0
/* Since when the measuring has a flaw; and evidence by the second, and by the CPU. */
#include <math.h>
#include "fake_why.h"

#define MINUTE (60 * SECOND)

static const struct scene calm = { .idle = 15 };

/* --- in steps of the history --- */

static bool shows(const struct flaw *flaw, const struct scene *s)
{
	struct frame *f = make_scene(s);
	bool yes = flaw_shows(flaw, f, TEN_S);

	frame_free(f);
	return yes;
}

static void a_frame_shows_a_flaw_of_that_probe_alone(void **state)
{
	struct scene lossy = { .idle = 15, .lost = 1 };
	struct scene windows = { .idle = 15, .duty = 0.1 };
	struct scene off = { .idle = 15, .off = "tcp" };
	struct flaw lost = { FLAW_LOST, "sched", "table_full" };
	struct flaw estimated = { FLAW_WINDOWS, "tcp", NULL };

	assert_true(shows(&lost, &lossy));
	assert_false(shows(&lost, &calm));
	lost.reason = "ring_full";
	assert_false(shows(&lost, &lossy));
	lost = (struct flaw){ FLAW_LOST, "tcp", "table_full" };
	assert_false(shows(&lost, &lossy));
	assert_true(shows(&estimated, &windows));
	assert_false(shows(&estimated, &calm));
	assert_false(shows(&estimated, &off)); /* that is no estimate */
	estimated.probe = "dns";
	assert_false(shows(&estimated, &windows));
}

/* For so long a probe was on, of ten seconds. */
static bool off_shows(double attached_s)
{
	struct flaw off = { FLAW_OFF, "tcp", NULL };
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	struct frame *f;
	bool yes;

	points_attr(g, "service.name", "assay");
	put(g, "assay.probe.attached.time", "sched", NULL, 10);
	put(g, "assay.probe.attached.time", "tcp", NULL, attached_s);
	f = to_frame(&p);
	yes = flaw_shows(&off, f, TEN_S);
	frame_free(f);
	return yes;
}

static void a_probe_that_was_not_on_all_the_time_was_off(void **state)
{
	assert_false(off_shows(10));
	assert_true(off_shows(6));
	assert_true(off_shows(0));
}

/* One step a minute, from `from` on: x shows it, . does not, a space is kept of
 * nothing.
 */
static struct flaw_walk walk_over(const char *steps)
{
	struct flaw_walk w = { 0 };

	for (uint64_t i = 1; steps[i - 1]; i++)
		if (steps[i - 1] != ' ')
			flaw_walk_step(&w, steps[i - 1] == 'x', i * MINUTE,
				       (i + 1) * MINUTE);
	return w;
}

static void since_when_is_where_it_last_began(void **state)
{
	static const struct {
		const char *steps;
		bool shows;
		uint64_t since_min; /* 0: it was never seen */
	} list[] = {
		{ "....", false, 0 },	{ "..xx", true, 3 },  { "xxxx", true, 1 },
		{ "x.xx", true, 3 },	{ "xx..", false, 1 }, { "x.x.", false, 3 },
		{ "xx   xx", true, 6 }, /* nobody measured in between */
	};

	for (size_t i = 0; i < COUNT(list); i++) {
		struct flaw_walk w = walk_over(list[i].steps);

		assert_int_equal(w.shows, list[i].shows);
		assert_int_equal(w.seen, list[i].since_min != 0);
		assert_int_equal(w.since_ns, list[i].since_min * MINUTE);
		assert_int_equal(w.first_ns, MINUTE);
	}
}

/* --- in findings --- */

static struct {
	struct flaw asked;
	bool known, earlier;
} history;

/* It began five seconds before the reading, which is at 11 s. */
static bool since_then(void *arg, const struct flaw *flaw, struct flaw_since *out)
{
	assert_ptr_equal(arg, &history);
	history.asked = *flaw;
	*out = (struct flaw_since){ .ns = 6 * SECOND, .earlier = history.earlier };
	return history.known;
}

static const struct finding *say_with_history(const struct scene *s, const char *id)
{
	say(s, NULL);
	said.readings.flaw_since = since_then;
	said.readings.flaw_arg = &history;
	history.asked = (struct flaw){ 0 };
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	return rule_of(&said.d, id);
}

static double age_in(const struct finding *f)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (!strcmp(f->evidence[i].label, "so long ago that began"))
			return f->evidence[i].number;
	return NAN;
}

static void what_was_lost_or_estimated_says_since_when(void **state)
{
	struct scene lossy = { .idle = 15, .lost = 5000 };
	struct scene windows = { .idle = 15, .duty = 0.1 };
	const struct finding *f;

	history.known = true;
	history.earlier = false;
	f = say_with_history(&lossy, "self.lost");
	assert_has(f->what, "(table_full, since 1970-01-01T00:00:06Z)");
	assert_float_equal(age_in(f), 5, 1e-9);
	assert_int_equal(history.asked.kind, FLAW_LOST);
	assert_string_equal(history.asked.probe, "sched");
	assert_string_equal(history.asked.reason, "table_full");
	history.earlier = true;
	f = say_with_history(&windows, "self.windows");
	assert_has(f->what, "of the time, since 1970-01-01T00:00:06Z or before)");
	assert_float_equal(age_in(f), 5, 1e-9);
	assert_int_equal(history.asked.kind, FLAW_WINDOWS);
	assert_string_equal(history.asked.probe, "tcp");
	history.known = false;
	f = say_with_history(&lossy, "self.lost");
	assert_has(f->what, "(table_full), while");
	assert_true(isnan(age_in(f)));
}

static void what_a_probe_that_is_off_does_not_say_says_since_when(void **state)
{
	struct scene s = { .idle = 15, .off = "tcp" };
	const struct finding *f;

	history.known = true;
	history.earlier = false;
	f = say_with_history(&s, "net.connect");
	assert_int_equal(f->verdict, VERDICT_UNMEASURED);
	assert_has(f->what, "(by assay tune, since 1970-01-01T00:00:06Z)");
	assert_int_equal(history.asked.kind, FLAW_OFF);
}

static const struct evidence *evidence_of(const char *id, const char *label, size_t n)
{
	const struct finding *f = rule_of(&said.d, id);

	for (size_t i = 0; i < f->evidence_count; i++)
		if (!strcmp(f->evidence[i].label, label) && !n--)
			return &f->evidence[i];
	return NULL;
}

static void refuse(struct point_group *g)
{
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 40);
	put(g, "assay.tcp.connect.errors", "ETIMEDOUT", NULL, 10);
}

static void connects_that_fail_have_their_rate(void **state)
{
	struct scene s = { .idle = 15, .fault = refuse };
	const struct evidence *e;

	assert_accused(say(&s, &calm), "net.connect");
	e = evidence_of("net.connect", "of these in a second, with", 0);
	assert_float_equal(e->number, 4, 1e-9);
	assert_float_equal(e->baseline, 0, 1e-9);
	assert_string_equal(e->name, "ECONNREFUSED");
	assert_string_equal(e->unit, "1/s");
}

static void wait_behind_nobody(struct point_group *g)
{
	WAITS("contention", 10 * MS, 400);
	BEHIND("idle", 3.9);
}

static void stolen_time_is_told_of_each_cpu(void **state)
{
	struct scene was = { .idle = 12, .stolen = { 0.5, 0 } };
	struct scene s = { .idle = 8, .stolen = { 3, 6 }, .fault = wait_behind_nobody };
	const struct evidence *e;

	say(&s, &was);
	assert_string_equal(said.d.found[0]->rule->id, "cpu.steal");
	e = evidence_of("cpu.steal", "was taken of the CPU", 0);
	assert_string_equal(e->value, "1");
	assert_float_equal(e->number, 0.6, 1e-9);
	assert_float_equal(e->baseline, 0, 1e-9);
	e = evidence_of("cpu.steal", "was taken of the CPU", 1);
	assert_string_equal(e->value, "0");
	assert_float_equal(e->number, 0.3, 1e-9);
	assert_float_equal(e->baseline, 0.05, 1e-9);
	assert_null(evidence_of("cpu.steal", "was taken of the CPU", 2));
	e = evidence_of("cpu.steal", "waiting for a CPU that nobody here had", 0);
	assert_float_equal(e->number, 0.3902, 1e-9); /* 0.002 s are calm */
	s.stolen[0] = 6; /* as much of each: both are told */
	say(&s, &was);
	assert_string_equal(evidence_of("cpu.steal", "was taken of the CPU", 1)->value,
			    "1");
}

static int clean_up(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_shows_a_flaw_of_that_probe_alone),
		cmocka_unit_test(a_probe_that_was_not_on_all_the_time_was_off),
		cmocka_unit_test(since_when_is_where_it_last_began),
		cmocka_unit_test(what_was_lost_or_estimated_says_since_when),
		cmocka_unit_test(what_a_probe_that_is_off_does_not_say_says_since_when),
		cmocka_unit_test(connects_that_fail_have_their_rate),
		cmocka_unit_test(stolen_time_is_told_of_each_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, clean_up);
}
