/* SPDX-License-Identifier: Apache-2.0 */
/* What a system call that seccomp refused seems to return (SECCOMP_RET_TRAP). */
#ifndef REFUSED_CALL_H
#define REFUSED_CALL_H

#include <ucontext.h>

/* The register of the result, in the context of SIGSYS. */
static inline void refused_call_return(ucontext_t *context, long result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = result;
#else
#error "which register has the result of a system call?"
#endif
}

#endif
