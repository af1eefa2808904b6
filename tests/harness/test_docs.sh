#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# beside: others
# The generated reference is fresh, and files say under which licence they are.
cd "$(dirname "$0")/../.." || exit 1
echo 1..3
if make -s build/unit/print_metrics >&2 && build/unit/print_metrics | diff -u docs/metrics.md - | sed 's/^/# /' && [ "${PIPESTATUS[1]}" -eq 0 ]; then
	echo "ok 1 - docs/metrics.md is what the metric table says"
else
	echo "not ok 1 - docs/metrics.md is what the metric table says"
fi
bad=$(git ls-files 'agent/*' 'bpf/*' 'tests/*' | grep -E '\.(c|h|S|py|sh|tbl)$' |
	grep -v '\.tbl$' | xargs grep -L SPDX-License-Identifier)
[ -z "$bad" ] && echo "ok 2 - every source file has its SPDX tag" || {
	echo "not ok 2 - every source file has its SPDX tag"
	echo "# $bad"
}
bad=$(git ls-files 'bpf/*.c' 'bpf/*.h' | xargs grep -L 'GPL-2.0-only OR BSD-2-Clause')
[ -z "$bad" ] && echo "ok 3 - the kernel side is under GPL-2.0-only OR BSD-2-Clause" || {
	echo "not ok 3 - the kernel side is under GPL-2.0-only OR BSD-2-Clause"
	echo "# $bad"
}
