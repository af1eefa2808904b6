/* SPDX-License-Identifier: Apache-2.0 */
/* What can be known of the options of an export before the first one is sent. */
#ifndef EXPORT_CHECK_H
#define EXPORT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct options;

/*
 * Protocol, and for https the files of certificates and keys: do they open, is PEM in
 * them, does the key belong to the certificate? 0 or -EINVAL, and in cause one line
 * that says which option is wrong and what to do.
 */
int export_check(const struct options *o, char *cause, size_t len);
/* Does the URL name the port at which collectors speak gRPC, which assay does not? */
bool export_to_grpc_port(const struct options *o);
#define EXPORT_GRPC_PORT_TEXT                                              \
	"port 4317 is usually that of gRPC; assay speaks OTLP over HTTP, " \
	"usually at port 4318"

/*
 * Where an export goes, for people: a URL without what stands before the @, which may
 * be a password, and without its query.
 */
void export_describe(const char *url, char *buf, size_t len);

#endif
