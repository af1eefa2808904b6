// SPDX-License-Identifier: Apache-2.0
/* Attributes of points, of which bytes are kept from one group to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "otlp/otlp.h"
#include "otlp/otlp_pb.h"

static const struct metric wait_level = { "test.wait.level", "1", "A level.",
					  METRIC_GAUGE, .attrs = { "cause" } };

static void add_level(struct point_group *g, const char *cause, bool lasting)
{
	struct point *pt = points_add(g, &wait_level);

	pt->values[0] = cause;
	pt->lasting = lasting;
}

/* One group after the other, as a reading has them: bytes of the first are used again.
 */
static void each_point_has_its_own_attributes(void **state)
{
	static const char kept[] = "contention", other[] = "throttled";
	static const char large[] =
	    "a name that is longer than what is kept of each of "
	    "the attributes from one group to the next one";
	const char *wanted[2][4] = { { kept, other, large, "first" },
				     { kept, other, large, "later" } };
	char changes[8] = "first";
	struct otlp_batch one = { 0 };
	struct otlp_encoder e = { .limit = SIZE_MAX,
				  .take = otlp_take_one,
				  .arg = &one };
	struct pb_request *r;

	for (int i = 0; i < 2; i++) {
		struct points p = { .time_ns = 2000000000 };
		struct point_group *g = points_group(&p);

		points_attr(g, "service.name", "a");
		strcpy(changes, wanted[i][3]);
		add_level(g, kept, true);
		add_level(g, other, true);
		add_level(g, large, true);
		add_level(g, changes, false);
		assert_int_equal(otlp_add(&e, &p), 0);
		points_fini(&p);
	}
	assert_int_equal(otlp_end(&e, 0), 0);
	r = pb_request_unpack(NULL, one.len, one.bytes);
	assert_non_null(r);
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 4; k++) {
			const Opentelemetry__Proto__Metrics__V1__NumberDataPoint *pt =
			    r->resource_metrics[i]
				->scope_metrics[0]
				->metrics[0]
				->gauge->data_points[k];

			assert_int_equal(pt->n_attributes, 1);
			assert_string_equal(pt->attributes[0]->key, "cause");
			assert_string_equal(pt->attributes[0]->value->string_value,
					    wanted[i][k]);
		}
	pb_request_free(r, NULL);
	free(one.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_point_has_its_own_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
