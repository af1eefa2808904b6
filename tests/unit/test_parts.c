// SPDX-License-Identifier: Apache-2.0
/* An array of which only parts are mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "bpf/cell.h"
#include "kernel/parts.h"

#define COUNT 1001 /* the last part is a piece of one */

/* A file in memory is mapped as an array map is. */
static struct hist_cell *make(int *fd)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t len = (COUNT * sizeof(struct hist_cell) + page - 1) & -page;
	struct hist_cell *cells;

	*fd = memfd_create("cells", 0);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, len), 0);
	cells = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_ptr_not_equal(cells, MAP_FAILED);
	for (uint32_t i = 0; i < COUNT; i++)
		cells[i].sum_ns = 7 * i;
	return cells;
}

/* Bytes of the array that are mapped to be read, by the kernel's own list. */
static size_t mapped(const struct parts *p)
{
	unsigned long from, to, base = (unsigned long)p->base;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], mode[5];
	size_t sum = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
		    from >= base && to <= base + (COUNT + 64) * p->element &&
		    mode[0] == 'r')
			sum += to - from;
	fclose(f);
	return sum;
}

static void parts_are_mapped_as_long_as_an_element_is_in_use(void **state)
{
	struct parts p;
	int fd;
	struct hist_cell *cells = make(&fd), *seen;
	size_t page = sysconf(_SC_PAGESIZE), part;

	assert_int_equal(parts_open(&p, fd, sizeof(*cells), COUNT, (void **)&seen), 0);
	part = p.of_part * sizeof(*cells);
	assert_int_equal(part % page, 0);
	assert_in_range(part, 128 << 10, 1 << 20);
	assert_int_equal(mapped(&p), 0);

	assert_int_equal(parts_use(&p, 3), 0);
	assert_int_equal(seen[3].sum_ns, 21);
	assert_int_equal(mapped(&p), part);
	assert_int_equal(parts_use(&p, 3), 0); /* it is already */
	assert_int_equal(parts_use(&p, p.of_part - 1), 0);
	assert_int_equal(seen[p.of_part - 1].sum_ns, 7 * (p.of_part - 1));
	assert_int_equal(mapped(&p), part);
	assert_int_equal(parts_use(&p, COUNT - 1), 0);
	assert_int_equal(seen[COUNT - 1].sum_ns, 7 * (COUNT - 1));
	assert_true(mapped(&p) > part && mapped(&p) <= 2 * part);
	parts_leave(&p, COUNT - 1);
	parts_leave(&p, COUNT - 1); /* it is not in use */
	assert_int_equal(mapped(&p), part);

	parts_leave(&p, 3);
	assert_int_equal(mapped(&p), part); /* the other one is */
	parts_leave(&p, p.of_part - 1);
	assert_int_equal(mapped(&p), 0);
	cells[3].sum_ns = 22;
	assert_int_equal(parts_use(&p, 3), 0);
	assert_int_equal(seen[3].sum_ns, 22);
	parts_close(&p);
	close(fd);
}

static void what_cannot_be_mapped_is_not_in_use(void **state)
{
	struct hist_cell *seen;
	struct parts p;

	assert_int_equal(parts_open(&p, -1, sizeof(*seen), COUNT, (void **)&seen), 0);
	assert_true(parts_use(&p, 3) < 0);
	assert_true(parts_use(&p, 3) < 0);
	assert_int_equal(mapped(&p), 0);
	parts_leave(&p, 3);
	parts_close(&p);
}

/* Of a test that has an array of its own. */
static void without_an_array_nothing_is_done(void **state)
{
	struct parts p = { 0 };

	assert_int_equal(parts_use(&p, 5), 0);
	parts_leave(&p, 5);
	parts_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_mapped_as_long_as_an_element_is_in_use),
		cmocka_unit_test(what_cannot_be_mapped_is_not_in_use),
		cmocka_unit_test(without_an_array_nothing_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
