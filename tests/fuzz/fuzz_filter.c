// SPDX-License-Identifier: Apache-2.0
/* What a user writes behind --filter. */
#include <math.h>
#include "view/filter.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), cause[FILTER_CAUSE] = "";
	struct cell cells[] = {
		{ .text = "" },
		{ .text = "shop/web-0/app", .there = true, .number = 1 },
		{ .text = text, .there = true, .number = 1e-3 }
	};
	struct filter f;
	int err = filter_parse(text, &f, cause, sizeof(cause));

	CHECK(!err == !cause[0]);
	for (const char *c = cause; *c; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	if (!err) {
		CHECK(f.column && f.number >= 0 && isfinite(f.number));
		for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
			bool is = filter_passes(&f, &cells[i]);

			/* what is not so is the opposite of what is so */
			if (f.op != FILTER_IS && f.op != FILTER_IS_NOT)
				continue;
			f.op = f.op == FILTER_IS ? FILTER_IS_NOT : FILTER_IS;
			CHECK(filter_passes(&f, &cells[i]) != is);
		}
	}
	free(text);
	return 0;
}
