// SPDX-License-Identifier: Apache-2.0
/* What a peer on the agent's socket may answer the command line, head and all. */
#include <sys/un.h>
#include "sink/client.h"
#include "serve.h"

static const char *path(void)
{
	static struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!addr.sun_path[0]) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/peer.sock",
			 fuzz_directory());
		CHECK(!bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
		serve_start(fd);
	}
	return addr.sun_path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char cause[512];
	uint8_t *bytes;
	size_t len;
	int err;

	serve_this(data, size);
	err = client_snapshot(path(), &bytes, &len, cause, sizeof(cause));
	CHECK(!err == !cause[0]);
	if (!err) {
		CHECK(len < size && !memcmp(bytes, data + size - len, len));
		free(bytes);
	}
	return 0;
}
