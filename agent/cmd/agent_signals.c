// SPDX-License-Identifier: Apache-2.0
/* Signals are a file descriptor, once all is loaded. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"
#include "cmd/agent_impl.h"
#include "sink/export.h"

static void leave(int signal_number)
{
	_exit(0);
}

static void block(sigset_t *set, int signal_number)
{
	sigaddset(set, signal_number);
	sigprocmask(SIG_BLOCK, set, NULL);
}

void agent_expect_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2 };
	sigset_t set;

	for (size_t i = 0; i < COUNT(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGTERM, leave);
	signal(SIGINT, leave);
	sigemptyset(&set);
	block(&set, SIGHUP);
}

int agent_open_signals(struct agent *a)
{
	sigset_t set;

	sigemptyset(&set);
	block(&set, SIGTERM);
	block(&set, SIGINT);
	block(&set, SIGHUP);
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signals < 0 ? -errno : 0;
}

bool agent_must_end(struct agent *a)
{
	struct signalfd_siginfo info;

	while (read(a->signals, &info, sizeof(info)) == sizeof(info)) {
		int err;

		if (info.ssi_signo != SIGHUP)
			return true;
		err = a->export ? export_reopen(a->export) : 0;
		if (err)
			log_warn(err, "SIGHUP: the export file cannot be opened anew");
		else
			log_info("SIGHUP: the export file, if any, is opened anew");
	}
	return false;
}

bool agent_ends_within(struct agent *a, int ms)
{
	struct pollfd fd = { .fd = a->signals, .events = POLLIN };

	return poll(&fd, 1, ms) > 0 && agent_must_end(a);
}
