/* SPDX-License-Identifier: Apache-2.0 */
/* What a systemd unit is called by those who wrote it: its Description=. */
#ifndef UNIT_TEXT_H
#define UNIT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define UNIT_TEXT_MAX 256 /* bytes of a description; the rest is cut */

/*
 * The description of a unit of the system's manager, from its file below root
 * (systemd.unit(5): the first directory that has one; of an instance, else its
 * template's), with the specifiers that the unit's name explains. Drop-ins are not
 * read. The caller's; NULL: there is none, it may not be read, or no memory.
 */
char *unit_description(const char *root, const char *unit);
/* The same of the text of a unit's file. */
char *unit_description_parse(const char *text, const char *unit);

#endif
