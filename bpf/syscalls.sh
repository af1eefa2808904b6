#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# syscalls.sh CC TABLE: prints the class of each system call number as two C arrays
# for bpf/syscall.bpf.c: the native ABI's, and that of 32-bit calls on x86-64.
# The numbers come from the kernel's user-space headers of this machine.

set -e
cc=$1 table=$2

# numbers HEADER: "name number" for each call that the header defines. Where that is a
# generic one (arm64), some are defined by another name: __NR_lseek __NR3264_lseek.
numbers()
{
	echo "#include <$1>" | $cc -E -dM - | awk '
		$1 == "#define" && $2 ~ /^__NR/ && NF == 3 { value[$2] = $3 }
		END {
			for (name in value) {
				v = value[name]
				if (v in value)
					v = value[v]
				if (name ~ /^__NR_[a-z0-9_]*$/ && v ~ /^[0-9]+$/)
					print substr(name, 6), v
			}
		}'
}

# array NAME HEADER
array()
{
	echo "static const unsigned short $1[CALLS_MAX] __attribute__((unused)) = {"
	numbers "$2" | awk -v table="$table" '
		{ number[$1] = $2 }
		END {
			while ((getline <table) > 0) {
				if ($1 ~ /^#/ || !($1 in number))
					continue
				class = "CALL_LISTED | " ($2 == "fd" ? "CALL_OTHER | CALL_BY_FD" : "CALL_" toupper($2))
				if ($3)
					class = class " | CALL_" toupper($3)
				printf "\t[%d] = %s, /* %s */\n", number[$1], class, $1
			}
		}' | sort -t'[' -k2 -n
	echo "};"
}

echo "/* Made by bpf/syscalls.sh from bpf/syscalls.tbl. */"
if echo '#include <asm/unistd_64.h>' | $cc -E - >/dev/null 2>&1; then
	array calls_native asm/unistd_64.h
	array calls_compat asm/unistd_32.h
else
	array calls_native asm/unistd.h
	echo "static const unsigned short calls_compat[CALLS_MAX] __attribute__((unused));"
fi
