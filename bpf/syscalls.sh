#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# syscalls.sh CC TABLE: prints the class of each system call number as two C arrays
# for bpf/syscall.bpf.c: the native ABI's, and that of 32-bit calls. The numbers come from
# the kernel's user-space headers of the machine that CC builds for; those of 32-bit calls on
# arm64 are not in them, but beside TABLE.

set -e
cc=$1 table=$2
arm=${table%/*}/syscalls_arm.tbl

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

# array NAME: the classes of "name number" lines. A build without calls would count them all
# as `other`.
array()
{
	echo "static const unsigned short $1[CALLS_MAX] __attribute__((unused)) = {"
	awk -v table="$table" '
		{ number[$1] = $2 }
		END {
			if (!("read" in number)) {
				print "syscalls.sh: no numbers of system calls" >"/dev/stderr"
				exit 1
			}
			while ((getline <table) > 0) {
				if ($1 ~ /^#/ || !($1 in number))
					continue
				class = "CALL_LISTED | " ($2 == "fd" ? "CALL_OTHER | CALL_BY_FD" : "CALL_" toupper($2))
				if ($3)
					class = class " | CALL_" toupper($3)
				printf "\t[%d] = %s, /* %s */\n", number[$1], class, $1
			}
		}' >"$lines"
	sort -t'[' -k2 -n "$lines"
	echo "};"
}

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
echo "/* Made by bpf/syscalls.sh from bpf/syscalls.tbl. */"
case $($cc -dM -E - </dev/null) in
*"#define __x86_64__ "*)
	numbers asm/unistd_64.h | array calls_native
	numbers asm/unistd_32.h | array calls_compat
	;;
*)
	numbers asm/unistd.h | array calls_native
	awk '!/^#/ { print $2, $1 }' "$arm" | array calls_compat
	;;
esac
