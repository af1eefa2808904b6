/* SPDX-License-Identifier: Apache-2.0 */
/* What both forms of the answer need. */
#ifndef WHY_ITEMS_H
#define WHY_ITEMS_H

#include <time.h>
#include "diagnose/rule.h"

/* The finding of a rule beside another one (of the same workload); NULL: none. */
const struct finding *why_beside(const struct why *w, const struct finding *f,
				 const char *id);
/* The i-th of all findings, the worst first; NULL: no more. */
const struct finding *why_found(const struct why *w, size_t i);
/*
 * The i-th rule of the table as it was judged over all that was looked at: of a node
 * the workload where it came nearest to a finding. NULL: no more.
 */
const struct finding *why_rule(const struct why *w, size_t i);
enum overall why_overall(const struct why *w);
/* Why it is not actionable; "" when it is. */
const char *why_reason(const struct why *w);

#endif
