/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a cgroup is, by its path alone: a pure function, so that agent, command line and
 * tests agree.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

enum workload_kind {
	WORKLOAD_CONTAINER,
	WORKLOAD_POD, /* the cgroup in which those of its containers are */
	WORKLOAD_UNIT,
	WORKLOAD_CGROUP,
	WORKLOAD_KERNEL,
	WORKLOAD_UNKNOWN,
	WORKLOAD_OVERFLOW,
	/* of no path, but of several workloads together: group.h */
	WORKLOAD_OWNER,
	WORKLOAD_NAMESPACE,
	WORKLOAD_EXCLUDED,
};

const char *workload_kind_name(enum workload_kind kind);

/* Who made a container, where its cgroup's name says so. */
enum runtime {
	RUNTIME_UNKNOWN,
	RUNTIME_CONTAINERD,
	RUNTIME_CRIO,
	RUNTIME_DOCKER,
	RUNTIME_PODMAN,
	RUNTIME_LXC, /* and Incus */
	RUNTIME_NSPAWN,
};

/* The class of a pod, as Kubernetes has them. */
enum qos { QOS_NONE, QOS_GUARANTEED, QOS_BURSTABLE, QOS_BESTEFFORT };

/* What a cgroup is to the container or pod in whose path it is. */
enum cgroup_role {
	ROLE_OWN,    /* the container's own, or none is near */
	ROLE_NESTED, /* made by what runs in the container */
	ROLE_HELPER, /* of the runtime: conmon, LXC's monitor, nspawn's supervisor */
	ROLE_POD,    /* the pod's, in which its containers' are */
};

#define CONTAINER_ID_LEN 64
#define POD_UID_LEN	 36

struct workload_id {
	enum workload_kind kind;
	enum runtime runtime; /* of the innermost container */
	enum cgroup_role role;
	enum qos qos;				  /* of the pod */
	char *name;				  /* owned, of any length */
	char container_id[CONTAINER_ID_LEN + 1];  /* empty: none */
	char pod_uid[POD_UID_LEN + 1];		  /* as the API has it; empty: none */
	char pod_container[CONTAINER_ID_LEN + 1]; /* the pod's container around it */
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
 * A pod is a slice "kubepods-burstable-podUID.slice", with "_" for each "-" of the UID
 * and whatever stands before "kubepods", or "podUID" below "kubepods", "burstable" or
 * "besteffort" (pkg/kubelet/cm of Kubernetes); the innermost one counts. The UID of a
 * static pod is 32 digits without dashes, which the API calls its config.hash. A
 * container that runs in a pod's container (Docker in Kubernetes) is in that pod, too.
 *
 * The pod's own cgroup is of kind pod; its name is that of the cgroup.
 *
 * Else it is a systemd unit by the suffix of its last component, else a cgroup, whose
 * name is its path.
 *
 * -ENOMEM. The caller ends it with workload_id_fini().
 */
int workload_identify(const char *path, struct workload_id *id);
void workload_id_fini(struct workload_id *id);

#endif
