// SPDX-License-Identifier: Apache-2.0
/* Cgroup paths as runtimes and init systems make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "workload/identity.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHORT "0123456789ab"
#define OUTER "ff9276e1ccee70b8f3e5b5e1a8a1b3f0d8a2c4e6f8091a2b3c4d5e6f708192a3"
#define POD   "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
#define POD1  POD "379560a2cb47f9b13c810328ff2bade1.slice"
#define POD2  POD "7c1d2e3f_4a5b_4c6d_9e8f_0a1b2c3d4e5f.slice"
#define UID   "pod7c1d2e3f-4a5b-4c6d-9e8f-0a1b2c3d4e5f"
#define KIND                                                                      \
	"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/" \
	"kubelet-kubepods-burstable-pod379560a2cb47f9b13c810328ff2bade1.slice"
#define CONTAINER(name) WORKLOAD_CONTAINER, name, ID
#define UNIT(name)	WORKLOAD_UNIT, name, ""
#define CGROUP(name)	WORKLOAD_CGROUP, name, ""

static const struct {
	const char *path;
	enum workload_kind kind;
	const char *name, *container;
} cases[] = {
	/* plain ones */
	{ "/", CGROUP("/") },
	{ "/web", CGROUP("web") },
	{ "/a/b", CGROUP("a/b") },
	{ "/k8s.io/redis", CGROUP("k8s.io/redis") },
	/* what only looks like an id: too long, too short, in capitals */
	{ "/k8s.io/" ID "0", CGROUP("k8s.io/" ID "0") },
	{ "/x/0123456789abcdef", CGROUP("x/0123456789abcdef") },
	{ "/x/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
	  CGROUP(
	      "x/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef") },
	/* systemd's */
	{ "/init.scope", UNIT("init.scope") },
	{ "/system.slice", UNIT("system.slice") },
	{ "/system.slice/nginx.service", UNIT("nginx.service") },
	{ "/system.slice/system-getty.slice/getty@tty1.service",
	  UNIT("getty@tty1.service") },
	{ "/user.slice/user-0.slice/session-3.scope", UNIT("session-3.scope") },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.scope",
	  UNIT("app-foo.scope") },
	{ "/dev-hugepages.mount", UNIT("dev-hugepages.mount") },
	{ "/system.slice/systemd-udevd.service/udev",
	  CGROUP("system.slice/systemd-udevd.service/udev") },
	{ "/.service", CGROUP(".service") },
	/* Docker */
	{ "/docker/" ID, CONTAINER(SHORT) },
	{ "/system.slice/docker-" ID ".scope", CONTAINER(SHORT) },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID
	  ".scope",
	  CONTAINER(SHORT) },
	{ "/docker/" ID "/init", CONTAINER(SHORT "/init") },
	{ "/docker/" ID "/system.slice/nginx.service",
	  CONTAINER(SHORT "/nginx.service") },
	{ "/system.slice/docker-" ID ".scope/system.slice/nginx.service",
	  CONTAINER(SHORT "/nginx.service") },
	{ "/docker/" ID "/container", CONTAINER(SHORT) },
	{ "/docker/buildx/" ID "/buildkit/p1xq5w", CONTAINER(SHORT "/p1xq5w") },
	/* containerd, nerdctl */
	{ "/default/" ID, CONTAINER(SHORT) },
	{ "/system.slice/nerdctl-" ID ".scope", CONTAINER(SHORT) },
	{ "/system.slice/containerd.service", UNIT("containerd.service") },
	/* Kubernetes: both drivers, all classes, both kinds of pods */
	{ POD1 "/cri-containerd-" ID ".scope", CONTAINER(SHORT) },
	{ POD2 "/cri-containerd-" ID ".scope", CONTAINER(SHORT) },
	{ "/kubepods.slice/kubepods-pod3f8a2c1e_9b7d_4e6f_8a1b_2c3d4e5f6a7b.slice/"
	  "cri-containerd-" ID ".scope",
	  CONTAINER(SHORT) },
	{ POD2, WORKLOAD_POD,
	  "kubepods-burstable-pod7c1d2e3f_4a5b_4c6d_9e8f_0a1b2c3d4e5f.slice", "" },
	{ "/kubepods/besteffort/" UID "/" ID, CONTAINER(SHORT) },
	{ "/kubepods/" UID "/" ID, CONTAINER(SHORT) },
	{ "/kubepods/burstable/pod379560a2cb47f9b13c810328ff2bade1", WORKLOAD_POD,
	  "pod379560a2cb47f9b13c810328ff2bade1", "" },
	{ "/system.slice/kubepods-besteffort-podaa_bb.slice:cri-containerd:" ID,
	  CONTAINER(SHORT) },
	{ POD1 "/docker-" ID ".scope", CONTAINER(SHORT) },
	{ "/podruntime/kubelet", CGROUP("podruntime/kubelet") },
	/* Kubernetes in Docker: the inner one, seen from the host and from the node */
	{ "/docker/" OUTER KIND "/cri-containerd-" ID ".scope", CONTAINER(SHORT) },
	{ "/system.slice/docker-" OUTER ".scope" KIND "/cri-containerd-" ID ".scope",
	  CONTAINER(SHORT) },
	{ KIND "/cri-containerd-" ID ".scope", CONTAINER(SHORT) },
	{ "/docker/" ID "/kubelet.slice/kubelet.service",
	  CONTAINER(SHORT "/kubelet.service") },
	{ "/docker/" ID "/kubelet.slice/crio-conmon-" OUTER ".scope",
	  CONTAINER(SHORT "/crio-conmon-" OUTER ".scope") },
	/* CRI-O */
	{ POD1 "/crio-" ID ".scope", CONTAINER(SHORT) },
	{ POD1 "/crio-" ID ".scope/container", CONTAINER(SHORT) },
	{ POD1 "/crio-" ID ".scope/container/exec", CONTAINER(SHORT "/exec") },
	{ POD1 "/crio-" ID, CONTAINER(SHORT) },
	{ POD1 "/crio-conmon-" ID ".scope", UNIT("crio-conmon-" ID ".scope") },
	/* Podman */
	{ "/machine.slice/libpod-" ID ".scope", CONTAINER(SHORT) },
	{ "/machine.slice/libpod-" ID ".scope/container", CONTAINER(SHORT) },
	{ "/machine.slice/libpod-conmon-" ID ".scope",
	  UNIT("libpod-conmon-" ID ".scope") },
	{ "/machine.slice/machine-libpod_pod_" ID ".slice",
	  UNIT("machine-libpod_pod_" ID ".slice") },
	{ "/machine.slice/machine-libpod_pod_" OUTER ".slice/libpod-" ID
	  ".scope/container",
	  CONTAINER(SHORT) },
	{ "/libpod_parent/libpod-" ID, CONTAINER(SHORT) },
	{ "/libpod_parent/conmon", CGROUP("libpod_parent/conmon") },
	{ "/libpod_parent/libpod_pod_" ID, CGROUP("libpod_parent/libpod_pod_" ID) },
	{ "/libpod_parent/libpod_pod_" OUTER "/libpod-" ID, CONTAINER(SHORT) },
	{ "/system.slice/web.service/libpod-payload-" ID, CONTAINER(SHORT) },
	{ "/system.slice/web.service/runtime",
	  CGROUP("system.slice/web.service/runtime") },
	/* system containers and machines: a name, no id */
	{ "/lxc.payload.web", WORKLOAD_CONTAINER, "web", "" },
	{ "/lxc.payload.web/system.slice/nginx.service", WORKLOAD_CONTAINER,
	  "web/nginx.service", "" },
	{ "/lxc.payload/web", WORKLOAD_CONTAINER, "web", "" },
	{ "/lxc.payload.", CGROUP("lxc.payload.") },
	{ "/lxc.monitor.web", CGROUP("lxc.monitor.web") },
	{ "/lxc.payload.web/docker/" ID, CONTAINER(SHORT) },
	{ "/machine.slice/systemd-nspawn@deb.service/payload", WORKLOAD_CONTAINER,
	  "deb", "" },
	{ "/machine.slice/machine-deb.scope/payload/system.slice/ssh.service",
	  WORKLOAD_CONTAINER, "deb/ssh.service", "" },
	{ "/machine.slice/systemd-nspawn@deb.service/supervisor",
	  CGROUP("machine.slice/systemd-nspawn@deb.service/supervisor") },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
	  UNIT("machine-qemu\\x2d1\\x2dvm.scope") },
	{ "/a/payload", CGROUP("a/payload") },
	/* above our own cgroup namespace */
	{ "/../../docker/" ID, CONTAINER(SHORT) },
	{ "/../cri-containerd-" ID ".scope", CONTAINER(SHORT) },
	{ "/../..", CGROUP("../..") },
};

static void paths_tell_kind_name_and_container(void **state)
{
	struct workload_id id;

	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].path);
		assert_int_equal(workload_identify(cases[i].path, &id), 0);
		assert_int_equal(id.kind, cases[i].kind);
		assert_string_equal(id.name, cases[i].name);
		assert_string_equal(id.container_id, cases[i].container);
		workload_id_fini(&id);
	}
}

#define STATIC	"379560a2cb47f9b13c810328ff2bade1"
#define DASHED	"7c1d2e3f-4a5b-4c6d-9e8f-0a1b2c3d4e5f"
#define BELOW	"7c1d2e3f_4a5b_4c6d_9e8f_0a1b2c3d4e5f"
#define NO_POD	"", QOS_NONE, ""
#define SYSTEMD "/kubepods.slice/kubepods-"

static const struct {
	const char *path;
	enum runtime runtime;
	enum cgroup_role role;
	const char *uid;
	enum qos qos;
	const char *container;
} pods[] = {
	/* both drivers, all classes */
	{ POD1 "/cri-containerd-" ID ".scope", RUNTIME_CONTAINERD, ROLE_OWN, STATIC,
	  QOS_BURSTABLE, ID },
	{ SYSTEMD "besteffort.slice/kubepods-besteffort-pod" BELOW
		  ".slice/cri-containerd-" ID ".scope",
	  RUNTIME_CONTAINERD, ROLE_OWN, DASHED, QOS_BESTEFFORT, ID },
	{ SYSTEMD "pod" BELOW ".slice/crio-" ID ".scope", RUNTIME_CRIO, ROLE_OWN,
	  DASHED, QOS_GUARANTEED, ID },
	{ "/kubepods/besteffort/pod" DASHED "/" ID, RUNTIME_UNKNOWN, ROLE_OWN, DASHED,
	  QOS_BESTEFFORT, ID },
	{ "/kubepods/burstable/pod" STATIC "/" ID, RUNTIME_UNKNOWN, ROLE_OWN, STATIC,
	  QOS_BURSTABLE, ID },
	{ "/kubepods/pod" DASHED "/crio-" ID, RUNTIME_CRIO, ROLE_OWN, DASHED,
	  QOS_GUARANTEED, ID },
	/* another cgroupRoot, kind, minikube, microk8s */
	{ "/kubelet/kubepods/pod" DASHED "/" ID, RUNTIME_UNKNOWN, ROLE_OWN, DASHED,
	  QOS_GUARANTEED, ID },
	{ KIND "/cri-containerd-" ID ".scope", RUNTIME_CONTAINERD, ROLE_OWN, STATIC,
	  QOS_BURSTABLE, ID },
	{ "/docker/" OUTER "/kubelet/kubepods/burstable/pod" DASHED "/" ID,
	  RUNTIME_UNKNOWN, ROLE_OWN, DASHED, QOS_BURSTABLE, ID },
	{ "/system.slice/docker-" OUTER ".scope" KIND "/cri-containerd-" ID ".scope",
	  RUNTIME_CONTAINERD, ROLE_OWN, STATIC, QOS_BURSTABLE, ID },
	/* a pod of the node that is itself one in a pod */
	{ POD1 "/cri-containerd-" OUTER ".scope/kubepods/pod" DASHED "/" ID,
	  RUNTIME_UNKNOWN, ROLE_OWN, DASHED, QOS_GUARANTEED, ID },
	/* cri-dockerd */
	{ POD1 "/docker-" ID ".scope", RUNTIME_DOCKER, ROLE_OWN, STATIC, QOS_BURSTABLE,
	  ID },
	/* runc named the scope itself */
	{ "/system.slice/kubepods-besteffort-pod" BELOW ".slice:cri-containerd:" ID,
	  RUNTIME_CONTAINERD, ROLE_OWN, DASHED, QOS_BESTEFFORT, ID },
	/* what is below a container is the pod's, too */
	{ POD2 "/crio-" ID ".scope/container", RUNTIME_CRIO, ROLE_OWN, DASHED,
	  QOS_BURSTABLE, ID },
	{ POD2 "/crio-" ID ".scope/container/exec", RUNTIME_CRIO, ROLE_NESTED, DASHED,
	  QOS_BURSTABLE, ID },
	{ POD2 "/cri-containerd-" ID ".scope/system.slice/nginx.service",
	  RUNTIME_CONTAINERD, ROLE_NESTED, DASHED, QOS_BURSTABLE, ID },
	{ POD2 "/cri-containerd-" OUTER ".scope/docker/" ID, RUNTIME_DOCKER, ROLE_OWN,
	  DASHED, QOS_BURSTABLE, OUTER },
	{ "/kubepods/pod" DASHED "/" OUTER "/docker/" ID "/init", RUNTIME_DOCKER,
	  ROLE_NESTED, DASHED, QOS_GUARANTEED, OUTER },
	/* the pod's own cgroup, and those that are no pod's */
	{ POD1, RUNTIME_UNKNOWN, ROLE_POD, STATIC, QOS_BURSTABLE, "" },
	{ "/kubepods/pod" DASHED, RUNTIME_UNKNOWN, ROLE_POD, DASHED, QOS_GUARANTEED,
	  "" },
	{ "/../../kubepods/pod" DASHED, RUNTIME_UNKNOWN, ROLE_POD, DASHED,
	  QOS_GUARANTEED, "" },
	{ "/kubepods.slice", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/kubepods/burstable", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ SYSTEMD "podaa_bb.slice", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ SYSTEMD "pod" DASHED ".slice", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ SYSTEMD "pod" BELOW ".slicer", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/kubepods/pod" BELOW, RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/kubepods/pod" DASHED "0", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/a/pod" DASHED "/b", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/pod" DASHED ".slice/" ID, RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/-pod" BELOW ".slice", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	{ "/kubepods.slice/x", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
	/* helpers */
	{ POD1 "/crio-conmon-" ID ".scope", RUNTIME_UNKNOWN, ROLE_HELPER, STATIC,
	  QOS_BURSTABLE, "" },
	{ "/machine.slice/libpod-conmon-" ID ".scope", RUNTIME_UNKNOWN, ROLE_HELPER,
	  NO_POD },
	{ "/libpod_parent/conmon", RUNTIME_UNKNOWN, ROLE_HELPER, NO_POD },
	{ "/lxc.monitor.web", RUNTIME_UNKNOWN, ROLE_HELPER, NO_POD },
	{ "/lxc.monitor/web", RUNTIME_UNKNOWN, ROLE_HELPER, NO_POD },
	{ "/machine.slice/systemd-nspawn@deb.service/supervisor", RUNTIME_UNKNOWN,
	  ROLE_HELPER, NO_POD },
	/* other runtimes */
	{ "/docker/" ID, RUNTIME_DOCKER, ROLE_OWN, NO_POD },
	{ "/system.slice/docker-" ID ".scope/init", RUNTIME_DOCKER, ROLE_NESTED,
	  NO_POD },
	{ "/system.slice/nerdctl-" ID ".scope", RUNTIME_CONTAINERD, ROLE_OWN, NO_POD },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
	  ".scope/container",
	  RUNTIME_PODMAN, ROLE_OWN, NO_POD },
	{ "/lxc.payload.web/docker/" ID, RUNTIME_DOCKER, ROLE_OWN, NO_POD },
	{ "/lxc.payload.web", RUNTIME_LXC, ROLE_OWN, NO_POD },
	{ "/machine.slice/systemd-nspawn@deb.service/payload", RUNTIME_NSPAWN, ROLE_OWN,
	  NO_POD },
	{ "/system.slice/nginx.service", RUNTIME_UNKNOWN, ROLE_OWN, NO_POD },
};

static void paths_tell_pod_class_runtime_and_role(void **state)
{
	struct workload_id id;

	for (size_t i = 0; i < COUNT(pods); i++) {
		print_message("%s\n", pods[i].path);
		assert_int_equal(workload_identify(pods[i].path, &id), 0);
		assert_int_equal(id.runtime, pods[i].runtime);
		assert_int_equal(id.role, pods[i].role);
		assert_string_equal(id.pod_uid, pods[i].uid);
		assert_int_equal(id.qos, pods[i].qos);
		assert_string_equal(id.pod_container, pods[i].container);
		workload_id_fini(&id);
	}
}

/* What two cgroups of one container have in common is the container, not the name. */
static void siblings_in_a_container_have_names_of_their_own(void **state)
{
	struct workload_id a, b;

	assert_int_equal(workload_identify("/docker/" ID "/init", &a), 0);
	assert_int_equal(workload_identify("/docker/" ID "/buildkit", &b), 0);
	assert_string_equal(a.container_id, b.container_id);
	assert_string_not_equal(a.name, b.name);
	workload_id_fini(&a);
	workload_id_fini(&b);
}

static void a_name_is_never_cut(void **state)
{
	static const char kanji[] = "\xe6\xbc\xa2";
	char path[4096] = "/";
	struct workload_id id;

	while (strlen(path) + 255 + 1 < sizeof(path)) { /* components of 255 bytes */
		for (int i = 0; i < 85; i++)
			strcat(path, kanji);
		strcat(path, "/");
	}
	path[strlen(path) - 1] = '\0';
	assert_int_equal(workload_identify(path, &id), 0);
	assert_int_equal(id.kind, WORKLOAD_CGROUP);
	assert_string_equal(id.name, path + 1);
	workload_id_fini(&id);
	memcpy(path, "/" ID "/", 1 + CONTAINER_ID_LEN + 1);
	assert_int_equal(workload_identify(path, &id), 0);
	assert_string_equal(id.container_id, ID);
	assert_int_equal(strlen(id.name), 12 + 1 + 255);
	workload_id_fini(&id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_tell_kind_name_and_container),
		cmocka_unit_test(paths_tell_pod_class_runtime_and_role),
		cmocka_unit_test(siblings_in_a_container_have_names_of_their_own),
		cmocka_unit_test(a_name_is_never_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
