#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# beside: others
#
# tests/run itself: a suite that goes wrong in any way must not look like success.

run=$(cd "$(dirname "$0")/.." && pwd)/run
dir=$(mktemp -d /tmp/assay-test-run.XXXXXX)
trap 'rm -rf "$dir"' EXIT
unset V
export TAP_DIR=$dir/tap
number=0

# runs NAME STATUS SUMMARY TEXT ARGUMENT...: tests/run with these arguments; compares the
# exit status, the last line, and a text that must be shown.
runs()
{
	local out status verdict=ok

	out=$("$run" "${@:5}" 2>&1)
	status=$?
	if [ $status -ne "$2" ] || [ "${out##*$'\n'}" != "$3" ] ||
		[[ $out != *"$4"* ]]; then
		verdict="not ok"
	fi
	number=$((number + 1))
	echo "$verdict $number - $1"
	[ "$verdict" = ok ] || printf '%s\n' "status $status" "$out" | sed 's/^/# /'
}

# expect NAME STATUS SUMMARY TEXT SUITE: the same of a suite, the text of a shell script.
expect()
{
	printf '#!/bin/sh\n%s\n' "$5" >"$dir/suite"
	chmod +x "$dir/suite"
	runs "$1" "$2" "$3" "$4" -t 2 "$dir/suite"
}

echo 1..22

expect "passed and skipped tests are added up" 0 "1 passed, 0 failed, 1 skipped" "" \
	"printf '1..2\nok 1 - a\nok 2 - b # SKIP no IPv6\n'"
expect "a failed test fails the run" 1 "1 passed, 1 failed" "not ok 2 - b" \
	"printf '1..2\nok 1 - a\nnot ok 2 - b\n'"
expect "the output of a suite with a failed test is shown" 1 "0 passed, 1 failed" \
	"# because" "printf '1..1\nnot ok 1 - a\n# because\n'"
expect "several plans of one suite are added up" 0 "3 passed, 0 failed" "" \
	"printf '1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n'"
expect "no output is a failure" 1 "0 passed, 1 failed" "no plan" ""
expect "no plan is a failure" 1 "1 passed, 1 failed" "no plan" "echo ok 1 - a"
expect "fewer tests than planned are a failure" 1 "1 passed, 1 failed" "1 of 3" \
	"printf '1..3\nok 1 - a\n'"
expect "more tests than planned are a failure" 1 "2 passed, 1 failed" "were planned" \
	"printf '1..1\nok 1 - a\nok 2 - b\n'"
expect "an exit status is a failure when no test failed" 1 "1 passed, 1 failed" \
	"exit status 23" "printf '1..1\nok 1 - a\n'; exit 23"
expect "a signal is a failure" 1 "1 passed, 1 failed" "exit status 139" \
	"printf '1..2\nok 1 - a\n'; kill -SEGV \$\$"
expect "a suite that hangs is killed and is a failure" 1 "1 passed, 1 failed" \
	"killed after 2 s" "printf '1..2\nok 1 - a\n'; exec sleep 60"
expect "a bail-out is a failure" 1 "1 passed, 1 failed" "Bail out" \
	"printf '1..2\nok 1 - a\nBail out! no disk\n'"
expect "a suite that is skipped as a whole is one skipped test" 0 \
	"0 passed, 0 failed, 1 skipped" "" "echo '1..0 # SKIP needs root'"
expect "cmocka's way to skip is no failure" 0 "1 passed, 0 failed, 1 skipped" "" \
	"printf '1..2\nok 1 - a\nnot ok 2 # SKIP b\n# ok - group\n'"
expect "cmocka's group whose set-up failed is one failure" 1 "0 passed, 1 failed" \
	"GROUP SETUP" "printf '1..6\nnot ok 0 - g [  FAILED  ] GROUP SETUP\n'; exit 1"

expect "a test that passed when it was run again is named at the end, with its suite" 0 \
	"1 passed, 0 failed" "# passed when run again: $dir/suite 1 - a: PID 1 ran
1 passed" "printf '1..1\nok 1 - a\n# passed when run again: 1 - a: PID 1 ran\n'"
expect "so is one of a guest, with the guest" 0 "1 passed, 0 failed" \
	"# passed when run again: $dir/suite 6.1: guest: 1 - a: PID 1 ran" \
	"printf '1..1\nok 1 - a\n# 6.1: guest: passed when run again: 1 - a: PID 1 ran\n'"

runs "a suite that does not exist is a failure" 1 "0 passed, 1 failed" "" \
	"$dir/missing"

# Two suites that wait for each other end only if they run at the same time.
printf '#!/bin/sh\n# beside: others\nread -r x <"%s/fifo"\nprintf "1..1\\nok 1 - a\\n"\n' \
	"$dir" >"$dir/reader"
printf '#!/bin/sh\necho word >"%s/fifo"\nprintf "1..1\\nok 1 - b\\n"\n' "$dir" >"$dir/writer"
chmod +x "$dir/reader" "$dir/writer"
mkfifo "$dir/fifo"
runs "a suite that may run beside others does" 0 "2 passed, 0 failed" "" \
	-t 5 "$dir/reader" "$dir/writer"
sed -i '/^# beside/d' "$dir/reader"
runs "others run one after the other" 1 "0 passed, 2 failed" "" \
	-t 2 "$dir/reader" "$dir/writer"

# One that stands nobody runs when all others have ended, wherever it is named.
printf '#!/bin/sh\n# beside: others\nsleep 1\ntouch "%s/over"\nprintf "1..1\\nok 1 - a\\n"\n' \
	"$dir" >"$dir/slow"
printf '#!/bin/sh\n# beside: nobody\n[ -e "%s/over" ] && printf "1..1\\nok 1 - b\\n"\n' \
	"$dir" >"$dir/alone"
chmod +x "$dir/slow" "$dir/alone"
runs "a suite that stands nobody runs when the others have ended" 0 "2 passed, 0 failed" "" \
	"$dir/alone" "$dir/slow"

# One that only waits comes after these, too.
printf '#!/bin/sh\n# beside: all\n[ -e "%s/end" ] && printf "1..1\\nok 1 - c\\n"\n' \
	"$dir" >"$dir/waits"
sed -i 's|^# beside: nobody$|&\ntouch "'"$dir"'/end"|' "$dir/alone"
chmod +x "$dir/waits"
runs "a suite that waits for what was begun before runs last" 0 "3 passed, 0 failed" "" \
	"$dir/waits" "$dir/alone" "$dir/slow"
