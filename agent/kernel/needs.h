/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compiled object needs of a kernel, by what is in it, and what of that a kernel
 * lacks, by its types (BTF): so nobody has to keep a list, and no version is asked for.
 */
#ifndef NEEDS_H
#define NEEDS_H

#include <stddef.h>

struct needs {
	size_t missing; /* how many things */
	char text[160]; /* their names, with commas between; the last may be "and more"
			 */
};

/*
 * Looks an object through: its tracepoints, iterators, helpers and kernel functions,
 * and the fields that it reads without asking whether there are any. A kernel that has
 * no such type at all is not said to lack its fields: types of what is not configured
 * are not asked for either. -errno: the object, or the kernel's types, cannot be read.
 */
int needs_find(const unsigned char *image, const unsigned char *image_end,
	       struct needs *needs);

#endif
