/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the node is, also when the agent runs in a container: its id must be that of the
 * node and outlive the container.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_WORD 128 /* longest id or name of the user's, and one more */

struct host {
	char id[HOST_WORD];
	char name[256];
	const char *id_from; /* where it was found, for people; constant */
	const char *name_from;
	bool fleeting; /* the id is another one after a boot of the node */
};

/* What the user says of it; NULL: nothing. */
struct host_wish {
	const char *id, *name;
	const char *root; /* where the node's root directory is mounted */
};

/*
 * Finds out who the node is. The id is the first of these that there is:
 *
 * 1. the wish;
 * 2. etc/machine-id below wish->root, if that is given;
 * 3. the machine-id of process 1, if our PID namespace is the node's and we may look;
 * 4. our own /etc/machine-id, unless we are in a container;
 * 5. the product's UUID from the firmware (DMI), which needs root;
 * 6. the boot id of the kernel: another one after each boot of the node.
 *
 * Ids 2 to 6 are 32 hexadecimal digits in lower case. Its name: the wish; our own host
 * name if the UTS namespace is the node's; etc/hostname below wish->root or in the root
 * directory of process 1; our own host name.
 *
 * -EINVAL: the wish cannot be followed; cause says why in one line.
 */
int host_find(const struct host_wish *wish, struct host *h, char *cause, size_t len);

/* May the user name a node so? It is in every series, and in tables. */
bool host_is_word(const char *s);

/*
 * Makes an id of what a file holds: 32 hexadecimal digits, with dashes or without, in
 * lower case. -EINVAL: it is none, or one that firmware gives to many machines.
 */
int host_parse_id(const char *text, char *id, size_t len);

#endif
