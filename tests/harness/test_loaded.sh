#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# beside: others
#
# tests/loaded itself: what a run said is its verdict, and runs of several days add up.
# `make` and stress-ng are stand-ins here.

loaded=$(cd "$(dirname "$0")/.." && pwd)/loaded
dir=$(mktemp -d /tmp/assay-test-loaded.XXXXXX)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/top/tests" "$dir/bin"
cp "$loaded" "$dir/top/tests/"
# The stand-in of make says what the next line of `said` is, and its status.
cat >"$dir/bin/make" <<'END'
#!/bin/bash
cd "$(dirname "$0")/.." || exit 9
echo "${TEST_CHURN:-none} ${TEST_PATIENCE:-none} $*" >>asked
line=$(sed -n "$(wc -l <asked)p" said)
printf '%b\n' "${line#* }"
exit "${line%% *}"
END
printf '#!/bin/sh\nexec sleep 60\n' >"$dir/bin/stress-ng"
printf '#!/bin/sh\ncat "%s/commit"\n' "$dir" >"$dir/bin/git"
chmod +x "$dir/bin"/*
unset ASSAY_TEST_LOADED_TALLY ASSAY_TEST_LOADED_RUNS
export PATH=$dir/bin:$PATH TEST_CHURN=100000 TEST_PATIENCE=7
. "$(dirname "$0")/is.sh"

# says NAME STATUS OUTPUT ARGUMENT...: tests/loaded with these arguments; its status, and
# what it says, with the numbers of this machine taken out.
says()
{
	local out status verdict=ok

	out=$("$dir/top/tests/loaded" "${@:4}" 2>&1)
	status=$?
	out=$(sed -E 's/ - [0-9., ]+: / - LOAD: /; s/in [0-9]+ s\b/in N s/' <<<"$out")
	[ "$status" = "$2" ] && [ "$out" = "$3" ] || verdict="not ok"
	number=$((number + 1))
	echo "$verdict $number - $1"
	[ "$verdict" = ok ] || printf '%s\n' "status $status" "$out" | sed 's/^/# /'
}

echo 1..10
tally=$dir/tally
echo aaa >"$dir/commit"
cat >"$dir/said" <<'END'
0 work\n# passed when run again: a 1 - b: busy\n9 passed, 0 failed, 1 skipped
2 not ok 3 - c\n8 passed, 1 failed\nmake: *** Error 1
0 9 passed, 0 failed
END
says "without a tally so many runs are made, and one that fails is shown" 1 \
	"1..3
ok 1 - LOAD: 9 passed, 0 failed, 1 skipped in N s, 1 when run again
# passed when run again: a 1 - b: busy
not ok 2 - LOAD: 8 passed, 1 failed in N s
# not ok 3 - c
# 8 passed, 1 failed
# make: *** Error 1
ok 3 - LOAD: 9 passed, 0 failed in N s" 3
is "they are as long as CI's, and as patient as they are told to be" \
	"$(sort -u "$dir/asked")" "none 7 --no-print-directory check-installed"

rm "$dir/asked"
printf '0 9 passed, 0 failed\n0 9 passed, 0 failed\n' >"$dir/said"
says "with a tally they are kept" 0 \
	"1..2
ok 1 - LOAD: 9 passed, 0 failed in N s
ok 2 - LOAD: 9 passed, 0 failed in N s
# 2 of 2 without a failure since aaa" --tally "$tally" 2
is "a line each, of seven columns" "$(awk -F '\t' '{ print NF, $2, $4, $6, $7 }' "$tally")" \
	"7 aaa ok 9 passed, 0 failed 0
7 aaa ok 9 passed, 0 failed 0"
says "and not made again" 0 "1..0 # SKIP 2 of 2 without a failure since aaa" \
	--tally "$tally" 2

echo bbb >"$dir/commit"
rm "$dir/asked"
says "the next day what is missing is run" 0 \
	"1..1
ok 1 - LOAD: 9 passed, 0 failed in N s
# 3 of 3 without a failure since aaa" --tally "$tally" 3

rm "$dir/asked"
printf '2 8 passed, 1 failed\n0 9 passed, 0 failed\n' >"$dir/said"
says "after a failure they are counted anew" 1 \
	"1..2
not ok 1 - LOAD: 8 passed, 1 failed in N s
# 8 passed, 1 failed
ok 2 - LOAD: 9 passed, 0 failed in N s
# 1 of 5 without a failure since bbb" --tally "$tally" 5

rm "$dir/asked"
printf '3 9 passed, 0 failed\n0 no summary\n' >"$dir/said"
says "make's status counts, and a run without a last line has failed" 1 \
	"1..1
not ok 1 - LOAD: 9 passed, 0 failed in N s
# 9 passed, 0 failed
# 0 of 2 without a failure" --tally "$tally" 2
rm "$dir/asked"
sed -i 1d "$dir/said"
says "so has one that says nothing of tests" 1 \
	"1..1
not ok 1 - LOAD: no word in N s
# no summary" 1

printf '#!/bin/sh\nexit 1\n' >"$dir/bin/stress-ng"
printf '0 9 passed, 0 failed\n' >"$dir/said"
rm "$dir/asked"
sed -i '2a sleep 0.2' "$dir/bin/make"
says "without the other work nothing is said of a run" 1 \
	"1..1
Bail out! stress-ng has ended" 1
