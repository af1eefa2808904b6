// SPDX-License-Identifier: Apache-2.0
/* The parameters of running probes: what is understood, what is refused, what it does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "kernel/tune.h"

#define MS 1000000ULL

static void words_are_understood(void **state)
{
	struct tune_change c;
	char cause[512];

	assert_int_equal(tune_parse(NULL, &c, cause, sizeof(cause)), 0);
	assert_int_equal(c.probe, TUNE_ALL);
	assert_int_equal(tune_parse("tcp", &c, cause, sizeof(cause)), 0);
	assert_int_equal(c.probe, PROBE_TCP);
	assert_int_equal(c.keys, 0);
	assert_int_equal(tune_parse("syscall enabled=false sample=1024 inflight=1h", &c,
				    cause, sizeof(cause)),
			 0);
	assert_int_equal(c.probe, PROBE_SYSCALL);
	assert_int_equal(c.keys, TUNE_ENABLED | TUNE_SAMPLE | TUNE_INFLIGHT);
	assert_false(c.enabled);
	assert_int_equal(c.sample_log2, 10);
	assert_true(c.inflight_ns == 3600000 * MS);
	assert_int_equal(
	    tune_parse("dns timeout=250ms enabled=true", &c, cause, sizeof(cause)), 0);
	assert_true(c.enabled);
	assert_int_equal(c.timeout_ns, 250 * MS);
	assert_int_equal(
	    tune_parse("tcp duty=1/64 window=10ms", &c, cause, sizeof(cause)), 0);
	assert_int_equal(c.keys, TUNE_DUTY | TUNE_WINDOW);
	assert_int_equal(c.one_in, 64);
	assert_int_equal(c.window_ns, 10 * MS);
	assert_int_equal(tune_parse("dns duty=1", &c, cause, sizeof(cause)), 0);
	assert_int_equal(c.one_in, 1);
	assert_int_equal(tune_parse("sched sample=1", &c, cause, sizeof(cause)), 0);
	assert_int_equal(c.sample_log2, 0);
}

static void what_is_not_exact_is_refused_in_one_line(void **state)
{
	static const struct {
		const char *words, *cause;
	} cases[] = {
		{ "", "'' is no probe: one of sched, syscall, tcp" },
		{ " ", "'' is no probe" },
		{ "disk", "'disk' is no probe" },
		{ "sche", "'sche' is no probe" },
		{ "sched\nx", "'sched?x' is no probe" },
		{ "sched ", "'': sched takes KEY=VALUE" },
		{ "sched  enabled=true", "'': sched takes KEY=VALUE" },
		{ "sched enabled", "'enabled': sched takes KEY=VALUE, KEY one of "
				   "enabled, sample, inflight" },
		{ "sched enable=true", "'enable=true': sched takes" },
		{ "sched enabled=", "enabled: '': must be true or false" },
		{ "sched enabled=1", "enabled: '1': must be" },
		{ "sched enabled=true\n", "enabled: 'true?': must be" },
		{ "sched sample=0", "sample: '0': must be a power of two, 1 to 1024" },
		{ "sched sample=3", "sample: '3': must be" },
		{ "sched sample=2048", "sample: '2048': must be" },
		{ "sched sample=02", "sample: '02': must be" },
		{ "sched sample=-2", "sample: '-2': must be" },
		{ "sched inflight=10", "inflight: '10': must be a time, 1ms to 1h" },
		{ "sched inflight=0ms", "inflight: '0ms': must be" },
		{ "sched inflight=2h", "inflight: '2h': must be" },
		{ "sched inflight=1s inflight=1s", "inflight: given twice" },
		{ "sched timeout=5s", "'timeout=5s': sched takes" },
		{ "tcp sample=2", "'sample=2': tcp takes" },
		{ "syscall duty=0", "duty: '0': must be 1, 1/2, 1/4, 1/8, 1/16, 1/32 "
				    "or 1/64" },
		{ "syscall duty=1/1", "duty: '1/1': must be" },
		{ "syscall duty=2", "duty: '2': must be" },
		{ "syscall duty=1/3", "duty: '1/3': must be" },
		{ "syscall duty=1/128", "duty: '1/128': must be" },
		{ "syscall duty=1/16 ", "'': syscall takes" },
		{ "syscall enabled=false duty=1/8", "duty: what is switched off" },
		{ "syscall duty=1 enabled=false", "duty: what is switched off" },
		{ "syscall window=9ms", "window: '9ms': must be a time, 10ms to 10s" },
		{ "syscall window=11s", "window: '11s': must be" },
		{ "sched duty=1/2", "'duty=1/2': sched takes" },
		{ "memory window=1s", "'window=1s': memory takes" },
		{ "cgroup inflight=1s", "'inflight=1s': cgroup takes KEY=VALUE, KEY "
					"one of enabled" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tune_change c;
		char cause[512] = "";

		assert_int_equal(tune_parse(cases[i].words, &c, cause, sizeof(cause)),
				 -EINVAL);
		assert_memory_equal(cause, cases[i].cause, strlen(cases[i].cause));
		assert_null(strchr(cause, '\n'));
	}
}

struct world {
	struct tuner tuner;
	struct tunes tunes;
	struct probe probes[PROBE_COUNT];
};

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	for (int i = 0; i < PROBE_COUNT; i++) {
		w->tunes.tune[i] = (struct tune){ .enabled = 1,
						  .inflight_ns = 10 * MS,
						  .timeout_ns = 5000 * MS };
		w->probes[i].state = PROBE_ATTACHED;
	}
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	free(*state);
	return 0;
}

static int change(struct world *w, const char *words, char *cause, size_t len)
{
	struct tune_change c;

	cause[0] = '\0';
	assert_int_equal(tune_parse(words, &c, cause, len), 0);
	return tune_apply(&w->tuner, &c, &w->tunes, w->probes, cause, len);
}

/* What was noted under an earlier number is out of date, so none may come again. */
static void each_time_a_probe_is_switched_on_it_has_a_new_number(void **state)
{
	struct world *w = *state;
	uint32_t *enabled = &w->tunes.tune[PROBE_SCHED].enabled, seen = *enabled;
	char cause[512];

	for (int i = 0; i < 100; i++) {
		assert_int_equal(change(w, "sched enabled=false", cause, sizeof(cause)),
				 0);
		assert_int_equal(*enabled, 0);
		assert_int_equal(w->probes[PROBE_SCHED].state, PROBE_OFF);
		assert_string_equal(probe_state_name(w->probes[PROBE_SCHED].state),
				    "off");
		assert_string_equal(w->probes[PROBE_SCHED].reason,
				    "switched off by assay tune");
		change(w, "sched enabled=false", cause, sizeof(cause));
		change(w, "sched enabled=true", cause, sizeof(cause));
		assert_true(*enabled > seen);
		assert_int_equal(w->probes[PROBE_SCHED].state, PROBE_ATTACHED);
		assert_string_equal(w->probes[PROBE_SCHED].reason, "");
		seen = *enabled;
		change(w, "sched enabled=true", cause, sizeof(cause));
		assert_int_equal(*enabled, seen);
	}
	assert_int_equal(w->tunes.tune[PROBE_TCP].enabled, 1);
}

/* So it is with windows, and no number is ever that of another thing. */
static void windows_have_numbers_of_their_own(void **state)
{
	struct world *w = *state;
	uint32_t *enabled = &w->tunes.tune[PROBE_TCP].enabled, latest = *enabled, next;
	char cause[512];

	for (int i = 0; i < 10; i++) {
		next = tune_number(&w->tuner, &w->tunes, PROBE_TCP);
		assert_true(next > latest);
		latest = next;
		change(w, "tcp enabled=false", cause, sizeof(cause));
		assert_int_equal(w->tunes.window[PROBE_TCP], 0);
		change(w, "tcp enabled=true", cause, sizeof(cause));
		assert_true(*enabled > latest);
		assert_int_equal(w->tunes.window[PROBE_TCP], *enabled);
		latest = *enabled;
	}
	w->tuner.latest[PROBE_TCP] = UINT32_MAX;
	assert_int_equal(tune_number(&w->tuner, &w->tunes, PROBE_TCP), 1);
}

static void parameters_are_changed_and_no_others(void **state)
{
	struct world *w = *state;
	struct tune *t = &w->tunes.tune[PROBE_DNS];
	char cause[512];

	assert_int_equal(change(w, "dns inflight=50ms", cause, sizeof(cause)), 0);
	assert_int_equal(t->inflight_ns, 50 * MS);
	assert_true(t->timeout_ns == 5000 * MS);
	assert_int_equal(t->enabled, 1);
	change(w, "dns timeout=2s", cause, sizeof(cause));
	assert_int_equal(t->inflight_ns, 50 * MS);
	assert_int_equal(t->timeout_ns, 2000 * MS);
	change(w, "syscall sample=64", cause, sizeof(cause));
	assert_int_equal(w->tunes.tune[PROBE_SYSCALL].sample_log2, 6);
	assert_int_equal(w->tunes.tune[PROBE_SCHED].sample_log2, 0);
}

static void a_probe_that_is_not_loaded_cannot_be_told(void **state)
{
	struct world *w = *state;
	char cause[512];

	w->probes[PROBE_TCP].state = PROBE_DISABLED;
	assert_int_equal(change(w, "tcp enabled=false", cause, sizeof(cause)), -ENODEV);
	assert_string_equal(cause,
			    "tcp is not loaded: start the agent with it in --probes");
	w->probes[PROBE_TCP].state = PROBE_UNAVAILABLE;
	strcpy(w->probes[PROBE_TCP].reason, "cannot load: no memory");
	assert_int_equal(change(w, "tcp inflight=1s", cause, sizeof(cause)), -ENODEV);
	assert_string_equal(cause, "tcp is not loaded: cannot load: no memory");
	assert_int_equal(w->tunes.tune[PROBE_TCP].enabled, 1);
	assert_int_equal(w->tunes.tune[PROBE_TCP].inflight_ns, 10 * MS);
}

static char *print(struct world *w, int probe)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	tune_print(f, probe, &w->tunes, w->probes);
	fclose(f);
	return text;
}

static void the_parameters_are_printed_as_they_are_given(void **state)
{
	struct world *w = *state;
	char cause[512], *text;

	change(w, "sched sample=16 inflight=90s", cause, sizeof(cause));
	text = print(w, PROBE_SCHED);
	assert_string_equal(text, "sched    enabled=true sample=16 inflight=90s\n");
	free(text);
	change(w, "dns enabled=false", cause, sizeof(cause));
	w->probes[PROBE_BLOCK].state = PROBE_UNAVAILABLE;
	text = print(w, TUNE_ALL);
	assert_non_null(strstr(text,
			       "\ndns      enabled=false inflight=10ms timeout=5s "
			       "duty=1 window=500ms\n"));
	assert_non_null(strstr(text, "\nblock    unavailable\n"));
	assert_non_null(strstr(text, "\ncgroup   enabled=true\n"));
	free(text);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_understood),
		cmocka_unit_test(what_is_not_exact_is_refused_in_one_line),
		WORLD_TEST(each_time_a_probe_is_switched_on_it_has_a_new_number),
		WORLD_TEST(windows_have_numbers_of_their_own),
		WORLD_TEST(parameters_are_changed_and_no_others),
		WORLD_TEST(a_probe_that_is_not_loaded_cannot_be_told),
		WORLD_TEST(the_parameters_are_printed_as_they_are_given),
	};

	return cmocka_run_group_tests_name("tune", tests, NULL, NULL);
}
