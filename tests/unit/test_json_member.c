// SPDX-License-Identifier: Apache-2.0
/* One member of an object: where it is, and what is no whole object. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/fingerprint.h"
#include "base/util.h"
#include "workload/json_member.h"

static void members(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *value;
	} cases[] = {
		{ "{\"a\":1}", 0, "1" },
		{ " {\n\"x\" : [\"a\", {\"a\":2}], \"a\" : {\"b\":[]} } ", 0,
		  " {\"b\":[]} " },
		{ "{\"x\":\"\\\",\\\"a\\\":3\",\"a\":\"}\"}", 0, "\"}\"" },
		{ "{\"x\":{\"a\":1}}", -ENOENT },
		{ "{\"x\":\"a\",\"b\":1}", -ENOENT },
		{ "{ }", -ENOENT },
		{ "{\"a\":1,\"a\":2}", -EBADMSG },
		{ "", -EBADMSG },
		{ "[\"a\",1]", -EBADMSG },
		{ "{\"a\":1", -EBADMSG },
		{ "{\"a\":1}}", -EBADMSG },
		{ "{\"a\":1} x", -EBADMSG },
		{ "{\"a\":1,}", -EBADMSG },
		{ "{\"a\":1]}", -EBADMSG },
		{ "{\"a\":[1}", -EBADMSG },
		{ "{\"a\" 1}", -EBADMSG },
		{ "{a:1}", -EBADMSG },
		{ "{\"a\":\"b", -EBADMSG },
		{ "{\"a\":\"b\\", -EBADMSG },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text), value_len = 0;
		char *text = malloc(len + 1); /* its end is where it is read to */
		const char *value;

		print_message("%s\n", cases[i].text);
		memcpy(text, cases[i].text, len);
		assert_int_equal(json_member(text, len, "a", &value, &value_len),
				 cases[i].err);
		if (cases[i].value) {
			assert_int_equal(value_len, strlen(cases[i].value));
			assert_memory_equal(value, cases[i].value, value_len);
		}
		free(text);
	}
}

/* Of the same key the same; a byte anywhere, or one more, makes another one. */
static void fingerprints(void **state)
{
	uint64_t key, other, whole;
	char text[40] = { 0 };

	assert_int_equal(fingerprint_key(&key), 0);
	assert_int_equal(fingerprint_key(&other), 0);
	assert_int_not_equal(key, other);
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = 'a' + i % 3;
		whole = fingerprint(key, text, i + 1);
		assert_int_not_equal(whole, 0);
		assert_int_equal(fingerprint(key, text, i + 1), whole);
		assert_int_not_equal(fingerprint(other, text, i + 1), whole);
		assert_int_not_equal(fingerprint(key, text, i), whole);
		for (size_t k = 0; k <= i; k++) {
			text[k] ^= 1;
			assert_int_not_equal(fingerprint(key, text, i + 1), whole);
			text[k] ^= 1;
		}
	}
	memset(text, 0, sizeof(text)); /* zeros count */
	assert_int_not_equal(fingerprint(key, text, 8), fingerprint(key, text, 9));
	/* its length times the key, and the bytes, the first one least */
	assert_int_equal(fingerprint(10, "AB", 2), 2 * 10 + ('B' << 8 | 'A'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members),
		cmocka_unit_test(fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
