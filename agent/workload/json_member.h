/* SPDX-License-Identifier: Apache-2.0 */
/* One member of a large JSON object, without parsing all of it. */
#ifndef JSON_MEMBER_H
#define JSON_MEMBER_H

#include <stddef.h>

/*
 * Where the value of this key is in the text of an object, and how long it is. Of all
 * else only strings and brackets are looked at, so that a file which is cut is found
 * out. A key is compared as it is written. -EBADMSG: it is no whole object, or has the
 * key twice; -ENOENT: it has none.
 */
int json_member(const char *text, size_t len, const char *key, const char **value,
		size_t *value_len);

#endif
