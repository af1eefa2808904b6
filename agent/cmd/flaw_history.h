/* SPDX-License-Identifier: Apache-2.0 */
/* Since when the measuring has a flaw, by the history. */
#ifndef FLAW_HISTORY_H
#define FLAW_HISTORY_H

#include "cmd/span.h"
#include "diagnose/flaw.h"

#define FLAWS_KEPT 8

/* Begin it with the options and the time that is looked at; the rest is its own. */
struct flaw_history {
	const struct options *o;
	struct history_span time;
	/* what was found before: a node's workloads all ask the same */
	struct {
		enum flaw_kind kind;
		char probe[32], reason[64];
		struct flaw_since since;
		bool known;
	} list[FLAWS_KEPT];
	size_t count;
};

/* False: there is no history, or it says nothing of that time. arg: flaw_history. */
bool flaw_history_since(void *arg, const struct flaw *flaw, struct flaw_since *out);

#endif
