/* SPDX-License-Identifier: Apache-2.0 */
/* --group-by of what is shown: several workloads of a frame become one. */
#ifndef GROUP_FRAME_H
#define GROUP_FRAME_H

#include "otlp/frame.h"
#include "workload/group.h"

/*
 * Adds up the workloads that are one, as exports do with the same option: sums and
 * histograms; of ages and pressure the largest stays. Who has no pod stays as he is.
 * A culprit that is in a group has its name. Changes the frame, in whose memory all of
 * it is. -ENOMEM.
 */
int group_frame(struct frame *f, enum group_by by);

#endif
