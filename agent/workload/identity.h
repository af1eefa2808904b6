/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a cgroup is, by its path alone: a pure function, so that agent, command line and
 * tests agree.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

enum workload_kind {
	WORKLOAD_CONTAINER,
	WORKLOAD_UNIT,
	WORKLOAD_CGROUP,
	WORKLOAD_KERNEL,
	WORKLOAD_UNKNOWN,
	WORKLOAD_OVERFLOW,
};

const char *workload_kind_name(enum workload_kind kind);

#define CONTAINER_ID_LEN 64

struct workload_id {
	enum workload_kind kind;
	char *name;				 /* owned, of any length */
	char container_id[CONTAINER_ID_LEN + 1]; /* empty: none */
};

/*
 * Reads a cgroup v2 path, from the root on, whole. What any component says of a
 * container holds for all below it; the innermost one wins (Kubernetes in Docker):
 *
 * - 64 hexadecimal digits that stand alone: "cri-containerd-ID.scope",
 * "docker-ID.scope", "libpod-ID.scope", "ID". Not in a slice, which holds no processes
 * of a container itself ("machine-libpod_pod_ID.slice"), nor in a monitor
 * ("crio-conmon-ID.scope"). The name is the first 12 digits.
 * - LXC's "lxc.payload.NAME" and the "payload" below systemd-nspawn's unit. Those have
 * a name and no id.
 *
 * A cgroup further down is a workload of its own: its name is the container's, a slash
 * and its own last component ("0123456789ab/nginx.service"); but for the "container"
 * into which crun puts all of a container's processes.
 *
 * Else it is a systemd unit by the suffix of its last component, else a cgroup, whose
 * name is its path.
 *
 * -ENOMEM. The caller ends it with workload_id_fini().
 */
int workload_identify(const char *path, struct workload_id *id);
void workload_id_fini(struct workload_id *id);

#endif
