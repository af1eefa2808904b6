// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "metric/errno_name.h"

/* Errnos that the kernel keeps to itself: include/linux/errno.h. Some get out. */
#define KERNEL_ERRNO_FIRST 512
static const char *const kernel_errnos[] = {
	"ERESTARTSYS",
	"ERESTARTNOINTR",
	"ERESTARTNOHAND",
	"ENOIOCTLCMD",
	"ERESTART_RESTARTBLOCK",
	"EPROBE_DEFER",
	"EOPENSTALE",
	"ENOPARAM",
	NULL,
	"EBADHANDLE",
	"ENOTSYNC",
	"EBADCOOKIE",
	"ENOTSUPP",
	"ETOOSMALL",
	"ESERVERFAULT",
	"EBADTYPE",
	"EJUKEBOX",
	"EIOCBQUEUED",
	"ERECALLCONFLICT",
	"ENOGRACE",
};

const char *errno_name(uint32_t err, char *buf, size_t len)
{
	const char *name = strerrorname_np(err);

	if (!name && err >= KERNEL_ERRNO_FIRST &&
	    err - KERNEL_ERRNO_FIRST < COUNT(kernel_errnos))
		name = kernel_errnos[err - KERNEL_ERRNO_FIRST];
	return name ? name : "_OTHER";
}
