#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# beside: others
#
# .ci/nightly itself: parts run by themselves, and what each said last is kept. `make` and
# tests/run are stand-ins here.

nightly=$(cd "$(dirname "$0")/../.." && pwd)/.ci/nightly
dir=$(mktemp -d /tmp/assay-test-nightly.XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/.ci" "$dir/tests" "$dir/bin"
cp "$nightly" "$dir/.ci/"
# Each says what it is asked for, and the last line of `said`.
printf '#!/bin/bash\necho "make $* ${TEST_CHURN:-short}" >>asked\n[[ $* != check-installed ]] || cat said\n' \
	>"$dir/bin/make"
printf '#!/bin/bash\necho "run $* ${FUZZ_SECONDS:-}${ASSAY_VM_ALL:-}${TEST_CHURN:-}" >>asked\ncat said\n' \
	>"$dir/tests/run"
printf '#!/bin/sh\necho aaa\n' >"$dir/bin/git"
chmod +x "$dir/bin"/* "$dir/tests/run"
export PATH=$dir/bin:$PATH ASSAY_NIGHTLY=$dir/kept
unset TEST_CHURN ASSAY_VM_ALL FUZZ_SECONDS
. "$(dirname "$0")/is.sh"

# say ARGUMENT...: nightly's status and output, without dates and seconds.
say()
{
	local out status

	rm -f "$dir/asked"
	out=$("$dir/.ci/nightly" "$@" 2>&1)
	status=$?
	printf '%s\n' "$out" "status $status" |
		sed -E 's/[0-9-]{10}T[0-9:]{8}Z/DATE/; s/in [0-9]+ s$/in N s/'
}

never()
{
	printf 'nightly: %s: never run here\n' "$@"
}

echo 1..7
is "what is no part is said in one line" "$(say fuzz nonsense)" \
	"nightly: nonsense is no part: it must be one of live guests fuzz incidents mutations sanitizers arm64 image loaded bench
status 2"
is "at first nothing was run" "$(say --last)" "$(never live guests fuzz incidents mutations sanitizers arm64 \
	image loaded bench)
status 0"
echo "9 passed, 0 failed, 1 skipped" >"$dir/said"
is "a part is run by itself, and what it says is the sum" "$(say fuzz | tail -n 2)" \
	"9 passed, 0 failed, 1 skipped
status 0"
is "with nothing of the others" "$(cat "$dir/asked")" "make deps short
make all unit loads short
make build-fuzz short
run tests/fuzz/run 600"
echo "7 passed, 2 failed" >"$dir/said"
is "two are added up, and one that failed is a failure" "$(say live guests | tail -n 2)" \
	"14 passed, 4 failed
status 1"
is "what is made longer is so in its part alone" "$(tail -n 2 "$dir/asked")" \
	"make check-installed 100000
run tests/vm/matrix 1100000"
rm "$dir/said"
say fuzz >"$dir/out"
is "the latest of each is kept, and one that says nothing has failed" "$(say --last)" \
	"nightly: live: DATE aaa: 7 passed, 2 failed in N s
nightly: guests: DATE aaa: 7 passed, 2 failed in N s
nightly: fuzz: DATE aaa: 0 passed, 1 failed in N s
$(never incidents mutations sanitizers arm64 image loaded bench)
status 0"
