// SPDX-License-Identifier: Apache-2.0
/* Cgroup paths as runtimes make them, and the memory plan. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cells.h"
#include "util.h"
#include "workload.h"

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234.slice"

static void paths_tell_kind_name_and_container(void **state)
{
	static const struct {
		const char *path;
		enum workload_kind kind;
		const char *name, *container;
	} cases[] = {
		{ "/", WORKLOAD_CGROUP, "/", "" },
		{ "/web", WORKLOAD_CGROUP, "web", "" },
		{ "/a/b", WORKLOAD_CGROUP, "a/b", "" },
		{ "/system.slice/nginx.service", WORKLOAD_UNIT, "nginx.service", "" },
		{ "/user.slice/user-0.slice/session-3.scope", WORKLOAD_UNIT,
		  "session-3.scope", "" },
		{ "/docker/" ID, WORKLOAD_CONTAINER, "0123456789ab", ID },
		{ "/system.slice/docker-" ID ".scope", WORKLOAD_CONTAINER,
		  "0123456789ab", ID },
		{ POD "/cri-containerd-" ID ".scope", WORKLOAD_CONTAINER,
		  "0123456789ab", ID },
		{ POD "/crio-" ID ".scope", WORKLOAD_CONTAINER, "0123456789ab", ID },
		{ POD "/crio-conmon-" ID ".scope", WORKLOAD_UNIT,
		  "crio-conmon-" ID ".scope", "" },
		{ "/kubepods/besteffort/pod12/" ID, WORKLOAD_CONTAINER, "0123456789ab",
		  ID },
		{ "/k8s.io/" ID "0", WORKLOAD_CGROUP, "k8s.io/" ID "0", "" },
		{ "/docker/" ID "/init", WORKLOAD_CGROUP, "docker/" ID "/init", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct workload_id id;

		workload_identify(cases[i].path, &id);
		assert_int_equal(id.kind, cases[i].kind);
		assert_string_equal(id.name, cases[i].name);
		assert_string_equal(id.container_id, cases[i].container);
	}
}

static void the_plan_fits_the_budget(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 8, 128, 512 };
	struct cells_plan p;

	for (size_t i = 0; i < COUNT(cpus); i++) {
		assert_int_equal(cells_plan_for(1024, 64 << 20, cpus[i], &p), 0);
		assert_in_range(p.total, 1 << 20, 64 << 20);
		assert_int_equal(p.hists & (p.hists - 1), 0);
		assert_int_equal(p.counts & (p.counts - 1), 0);
		/* the parts are all of it */
		assert_int_equal(p.slot_bytes + p.hist_bytes + p.count_bytes +
				     p.open_bytes + p.query_bytes + p.fixed_bytes,
				 p.total);
	}
}

static void a_budget_too_small_is_refused(void **state)
{
	struct cells_plan p;

	assert_int_equal(cells_plan_for(16384, 1 << 20, 2, &p), -ENOSPC);
}

static void the_overflow_cells_fit_the_smallest_pools(void **state)
{
	struct cells_plan p;
	uint64_t memory = 1 << 20;

	while (cells_plan_for(64, memory, 512, &p))
		memory += 4096; /* the least budget that is taken */
	assert_true(p.hists > SERIES_COUNT);
	assert_true(p.counts > SERIES_COUNT + OPEN_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_tell_kind_name_and_container),
		cmocka_unit_test(the_plan_fits_the_budget),
		cmocka_unit_test(a_budget_too_small_is_refused),
		cmocka_unit_test(the_overflow_cells_fit_the_smallest_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
