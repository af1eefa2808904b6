// SPDX-License-Identifier: Apache-2.0
/* What measuring says of itself: probes, what was lost lately, readings, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "cmd/measure_impl.h"
#include "fake_clock.h"
#include "view/status.h"

static struct {
	struct measure m;
	struct control control;
	struct status s;
} with;

static int begin(void **state)
{
	memset(&with, 0, sizeof(with));
	with.m.cells.control = &with.control;
	with.m.cells.plan =
	    (struct cells_plan){ .total = 40,
				 .limit = 64,
				 .bytes = { [PART_HISTS] = 22, [PART_AGENT] = 18 } };
	for (size_t i = 0; i < PROBE_COUNT; i++)
		with.m.probes[i] =
		    (struct probe){ .desc = &probe_descs[i], .state = PROBE_ATTACHED };
	return 0;
}

static const struct status *look(void)
{
	memset(&with.s, 0, sizeof(with.s));
	measure_status(&with.m, now_mono_ns(), &with.s);
	return &with.s;
}

static void pass(unsigned int seconds)
{
	fake_now_ns += seconds * FAKE_SECOND;
}

static void before_it_measures_nothing_was_read_or_lost(void **state)
{
	with.m.probes[PROBE_DNS].state = PROBE_UNAVAILABLE;
	strcpy(with.m.probes[PROBE_DNS].reason, "no BTF");
	look();
	assert_int_equal(with.s.probe_count, PROBE_COUNT);
	assert_string_equal(with.s.probes[PROBE_DNS].name, "dns");
	assert_string_equal(with.s.probes[PROBE_DNS].state, "unavailable");
	assert_string_equal(with.s.probes[PROBE_DNS].reason, "no BTF");
	assert_string_equal(with.s.probes[PROBE_TCP].state, "attached");
	assert_true(with.s.read_s < 0);
	assert_int_equal(with.s.lost_count, 0);
	assert_int_equal(with.s.memory.limit, 64);
	assert_int_equal(with.s.memory.planned, 40);
	assert_int_equal(with.s.memory.kernel, 22);
	assert_int_equal(with.s.memory.agent, 18);
	assert_int_equal(with.s.memory.agent_used, 0); /* nothing to compare with */
}

static void assert_lost(uint64_t count, uint64_t lately, unsigned int window)
{
	const struct status *s = look();

	assert_int_equal(s->lost_count, 1);
	assert_string_equal(s->lost[0].probe, "tcp");
	assert_string_equal(s->lost[0].reason, loss_name(LOSS_TABLE_FULL));
	assert_int_equal(s->lost[0].count, count);
	assert_int_equal(s->lost[0].lately, lately);
	assert_int_equal((unsigned int)s->lost_window_s, window);
}

/* Readings are 10 s apart; samples of what was lost 30 s, and the older one counts. */
static void what_was_lost_lately_is_told(void **state)
{
	__u64 *lost = &with.control.lost[PROBE_TCP][LOSS_TABLE_FULL];

	measure_note_read(&with.m);
	*lost = 5;
	assert_lost(5, 5, 0);
	for (int i = 0; i < 3; i++) {
		pass(10);
		measure_note_read(&with.m);
	}
	assert_lost(5, 5, 30); /* the second sample was just taken */
	*lost = 7;
	pass(10);
	measure_note_read(&with.m);
	assert_lost(7, 7, 40);
	pass(20);
	measure_note_read(&with.m); /* the third: from now on since the second */
	assert_lost(7, 2, 30);
	pass(30);
	measure_note_read(&with.m);
	assert_lost(7, 0, 30);
	pass(12);
	assert_int_equal((int)look()->read_s, 12);
}

static void each_kind_of_loss_has_room(void **state)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		for (int why = 0; why < LOSS_COUNT; why++)
			with.control.lost[i][why] = 1;
	measure_note_read(&with.m);
	assert_int_equal(look()->lost_count, STATUS_LOSSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(before_it_measures_nothing_was_read_or_lost,
				       begin),
		cmocka_unit_test_setup(what_was_lost_lately_is_told, begin),
		cmocka_unit_test_setup(each_kind_of_loss_has_room, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
