/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand: the entry lives in the command's own file, main.c lists pointers. */
#ifndef CMD_H
#define CMD_H

#define EXIT_USAGE 2 /* the command line is wrong */

struct options;

struct cmd {
	const char *name;
	const char *args; /* the arguments after the options; NULL when it takes none */
	const char *help;
	const char *examples; /* lines for --help, each a command to run; or NULL */
	unsigned int mask;    /* the options it takes: a bit of enum options_cmd */
	/* Runs it and returns the exit status. argv holds what is no option. */
	int (*run)(const struct options *o, int argc, char **argv);
};

extern const struct cmd cmd_agent, cmd_report, cmd_probes, cmd_doctor, cmd_tune,
    cmd_status, cmd_snapshot, cmd_list, cmd_why, cmd_hist, cmd_trend, cmd_diff,
    cmd_verify, cmd_bench;

#endif
