// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/option_rows.h"
#include "kernel/privileges.h"

static const struct cmd *const cmds[] = {
	&cmd_agent, &cmd_report,   &cmd_why,	&cmd_hist,   &cmd_trend,
	&cmd_diff,  &cmd_list,	   &cmd_probes, &cmd_doctor, &cmd_status,
	&cmd_tune,  &cmd_snapshot, &cmd_verify, &cmd_bench,
};

static int print_help(void)
{
	puts("usage: assay COMMAND [OPTION...]\n");
	for (size_t i = 0; i < COUNT(cmds); i++) {
		printf("  assay %-8s ", cmds[i]->name);
		text_wrap(stdout, cmds[i]->help, 17, 17, 79);
	}
	puts("  assay --version\n\n"
	     "Something is slow:  assay report, then assay why WORKLOAD\n"
	     "Of the past:        assay why WORKLOAD --at 03:12, or --last 30m\n"
	     "Options:            assay COMMAND --help, or man assay");
	return 0;
}

static int print_help_of(const struct cmd *c)
{
	printf("usage: assay %s [OPTION...]%s%s\n%s\n", c->name, c->args ? " " : "",
	       c->args ? c->args : "", c->help);
	printf("%s%s\n", c->examples ? "\n" : "", c->examples ? c->examples : "");
	options_help(stdout, &option_table, c->mask);
	return 0;
}

static int run_with(const struct cmd *c, struct options *o, int argc, char **argv)
{
	bool is_url = strncasecmp(o->export, "http", strlen("http")) == 0;
	char *url = is_url ? text_url(o->export) : NULL;
	int status;

	if (url)
		o->export = url;
	status = c->run(o, argc, argv);
	free(url);
	return status;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct options o;
	char cause[512];
	int rest;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return print_help_of(c);
	}
	options_init(&o, &option_table);
	rest = options_env(&o, c->mask, cause, sizeof(cause));
	if (!rest)
		rest = options_args(&o, c->mask, argc, argv, cause, sizeof(cause));
	if (rest > 0 && !c->args)
		snprintf(cause, sizeof(cause), "%.200s: %s takes no arguments", argv[0],
			 c->name);
	if (rest < 0 || (rest > 0 && !c->args)) {
		log_errorx("%s", cause);
		return EXIT_USAGE;
	}
	log_set_level(o.log_level);
	return run_with(c, &o, rest, argv);
}

static void ask_for_command(void)
{
	char names[256];
	size_t at = 0;

	for (size_t i = 0; i < COUNT(cmds) && at < sizeof(names); i++)
		at += snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "",
			       cmds[i]->name);
	log_errorx("which command? one of %s", names);
}

static int run_any(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	privileges_raise();
	for (size_t i = 0; i < COUNT(cmds); i++)
		if (!strcmp(cmds[i]->name, name))
			return run(cmds[i], argc - 2, argv + 2);
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
		return print_help();
	if (!strcmp(name, "--version")) {
		puts("assay " ASSAY_VERSION);
		return 0;
	}
	if (!strcmp(name, "help-man")) { /* for docs/assay.1; not in --help */
		options_man(stdout, &option_table);
		return 0;
	}
	if (*name)
		log_errorx("%.200s: no such command (try assay --help)", name);
	else
		ask_for_command();
	return EXIT_USAGE;
}

/* Nothing of what is said is lost without a word: not all commands look at that. */
int main(int argc, char **argv)
{
	int status = run_any(argc, argv), err = status ? 0 : write_out(stdout);

	if (err)
		log_error(err, "what is to be said cannot be written");
	return err ? 1 : status;
}
