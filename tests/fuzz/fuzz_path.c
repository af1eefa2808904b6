// SPDX-License-Identifier: Apache-2.0
/* Who a cgroup is, from the path that its owner chose. */
#include "workload/workload.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = malloc(size + 2);
	struct workload_id id;
	size_t n;

	path[0] = '/';
	memcpy(path + 1, data, size);
	path[size + 1] = '\0';
	CHECK(!workload_identify(path, &id));
	n = strlen(id.container_id);
	CHECK(workload_kind_name(id.kind));
	CHECK(n == 0 || (n == 64 && strspn(id.container_id, "0123456789abcdef") == 64));
	CHECK(n == 0 || id.kind == WORKLOAD_CONTAINER); /* LXC and nspawn have none */
	CHECK(id.name[0]);
	n = strlen(id.pod_uid);
	CHECK(n == 0 ||
	      ((n == 32 || n == 36) && strspn(id.pod_uid, "0123456789abcdef-") == n));
	CHECK((n == 0) == (id.qos == QOS_NONE));
	CHECK(n || !id.pod_container[0]);
	n = strlen(id.pod_container);
	CHECK(n == 0 ||
	      (n == 64 && strspn(id.pod_container, "0123456789abcdef") == 64));
	workload_id_fini(&id);
	free(path);
	return 0;
}
