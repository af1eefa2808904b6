#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# docs/man.sh [ASSAY]: prints docs/assay.1 with the options of the binary (default
# build/assay). To renew the page: docs/man.sh > build/assay.1 && cp build/assay.1 docs/

set -e
dir=$(dirname "$0")
options=$(mktemp)
trap 'rm -f "$options"' EXIT
"${1:-$dir/../build/assay}" help-man >"$options"
awk -v options="$options" '
	/^\.\\" options: end/ { skip = 0 }
	!skip { print }
	/^\.\\" options: begin/ {
		while ((getline line <options) > 0)
			print line
		skip = 1
	}' "$dir/assay.1"
