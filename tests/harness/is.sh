# SPDX-License-Identifier: Apache-2.0
# For tests that compare texts, to be sourced: TAP's lines, and their numbers.
number=0

# is NAME GOT WANTED
is()
{
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}
