/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "key=value,key=value", percent-encoded, as OpenTelemetry's variables for resource
 * attributes and headers have it. Empty members are allowed, empty keys are not; blanks
 * around keys and values do not belong to them.
 */
#ifndef PAIRS_H
#define PAIRS_H

#include <stdbool.h>
#include <stddef.h>

enum pairs_kind { PAIRS_ATTRIBUTES, PAIRS_HEADERS };

/*
 * Takes the next pair off *rest and decodes it in place. 1; 0 when there is none left;
 * -EINVAL: it has no key or no '=' (*value is NULL), or a '%' without two digits.
 */
int pairs_next(char **rest, char **key, char **value);
/*
 * May a decoded pair be used? Attributes must be UTF-8. The name of a header must be a
 * token (RFC 9110), and nothing in it may end its line.
 */
bool pairs_usable(enum pairs_kind kind, const char *key, const char *value);
/*
 * Checks all pairs of a text. -EINVAL: `what` says in a few words which one is wrong,
 * without what may be a password in it. -ENOMEM.
 */
int pairs_check(enum pairs_kind kind, const char *text, char *what, size_t len);

#endif
