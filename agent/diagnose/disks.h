/* SPDX-License-Identifier: Apache-2.0 */
/* Whose I/O a disk has. */
#ifndef DISKS_H
#define DISKS_H

#include "diagnose/rule.h"

struct disk_use {
	const char *device;	     /* borrowed from the frame */
	double own;		     /* requests of the workload under way: s per s */
	double all;		     /* the same of all workloads */
	double own_count, all_count; /* requests */
	const struct frame_attrs *neighbour; /* who else has most; NULL: nobody */
	double neighbour_s;
	bool in_device; /* these times are the device's own; else it stamps none, and
			 * they are those of whole requests */
};

/*
 * The disk that counts for the workload: that of most of its requests, or, when it has
 * none, the busiest of all. False: no disk had a request.
 */
bool disks_find(const struct look *l, struct disk_use *out);
/*
 * How much of a disk's time, s per s, was for the workload `who` (NULL: for all), by
 * the frame of these facts, which may be another one than that in which it was found.
 */
double disks_time(const struct facts *me, const struct disk_use *d,
		  const struct frame_attrs *who);

#endif
