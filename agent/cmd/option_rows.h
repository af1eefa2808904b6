/* SPDX-License-Identifier: Apache-2.0 */
/* The options of all commands: a new option is one row of the table. */
#ifndef OPTION_ROWS_H
#define OPTION_ROWS_H

#include "base/options.h"

extern const struct option_table option_table;

#endif
