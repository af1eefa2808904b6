// SPDX-License-Identifier: Apache-2.0
#include "reading/snapshot_impl.h"

void ending_again(struct ending *e)
{
	*e = (struct ending){ .first = e->first, .arrived = e->arrived };
}

void ending_note(struct ending *e, bool ended, uint64_t number)
{
	if (!ended)
		ending_again(e);
	else if (!e->since)
		e->since = number;
	if (!e->first)
		e->first = number;
}

void ending_accepted(struct ending *e, uint64_t number, uint64_t next)
{
	if (!e->first || number < e->first)
		return; /* it is new since */
	e->arrived = true;
	if (!e->since || number < e->since)
		return;
	if (e->last)
		e->over = true;
	else
		e->since = next;
	e->last = true;
}

void ending_unheard(struct ending *e, uint64_t exports)
{
	e->over = e->since && e->since < exports;
}
