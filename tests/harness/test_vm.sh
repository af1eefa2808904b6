#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# beside: others
#
# tests/vm/run itself: what its variables ask for reaches QEMU and the guest's initial
# file system, and what cannot be had is refused in one line. QEMU and the kernel are
# stand-ins here, so that nothing is downloaded and nothing boots.

run=$(cd "$(dirname "$0")/.." && pwd)/vm/run
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP needs root"; exit 0; }
dir=$(mktemp -d /tmp/assay-test-vm.XXXXXX)
trap 'rm -rf "$dir"' EXIT
for v in $(compgen -e ASSAY_VM_); do
	unset "$v"
done
export ASSAY_VM_CACHE=$dir/cache
number=0

# A kernel with modules a and b_c, which need a, and one that is built in.
modules=$dir/cache/6.1/tree/lib/modules/6.1.0
mkdir -p "$modules/kernel" "$dir/cache/qemu/usr/bin" "$dir/cache/qemu/usr/lib/qemu"
printf 'depends=\0' >"$modules/kernel/a.ko"
printf 'depends=a\0' >"$modules/kernel/b-c.ko"
echo kernel/drivers/built-in.ko >"$modules/modules.builtin"
echo 6.1.0 >"$dir/cache/6.1/release"

# QEMU's stand-in: keeps its arguments, the drives' sizes and the archive, and ends as
# a guest does; or dislikes the drive as QEMU does.
cat >"$dir/cache/qemu/usr/bin/qemu-system-x86_64" <<END
#!/bin/bash
[ "\$1" != --version ] || exit 0
[[ "\$*" != *iops=many* ]] || {
	echo "qemu-system-x86_64: -drive x,iops=many: expects a number" >&2
	exit 1
}
printf '%s\n' "\$@" >"$dir/arguments"
stat -c '%n %s' drive* >"$dir/drives" 2>/dev/null
rm -rf "$dir/guest" && mkdir "$dir/guest" && cd "$dir/guest" || exit 1
zcat "\$OLDPWD/initrd" | /bin/busybox cpio -id 2>/dev/null
printf 'assay-vm: begin\nassay-vm: exit 7\n' >"\$OLDPWD/console"
END
printf '#!/bin/sh\n:\n' >"$dir/cache/qemu/usr/lib/qemu/virtiofsd"
chmod +x "$dir/cache/qemu/usr/bin/qemu-system-x86_64" "$dir/cache/qemu/usr/lib/qemu/virtiofsd"

# vm VARIABLE=VALUE...: runs; sets status and out.
vm()
{
	rm -rf "$dir/arguments" "$dir/drives" "$dir/guest"
	out=$(env "$@" "$run" 6.1 true 2>&1)
	status=$?
}

# expect NAME CONDITION: a test that eval says is passed or failed.
expect()
{
	number=$((number + 1))
	if eval "$2"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "status $status" "$out" | sed 's/^/# /'
		sed 's/^/# /' "$dir/arguments" "$dir/drives" 2>/dev/null
	fi
}

refused() { [ $status = 126 ] && [ "$(wc -l <<<"$out")" = 1 ] && [[ $out == *"$1"* ]]; }
argument() { grep -qx -- "$1" "$dir/arguments"; }

echo 1..14
vm
expect "the guest's exit status is ours" \
	'[ $status = 7 ] && [ -z "$out" ] && argument 2'
expect "a plain guest has no drive and no modules of ours" \
	'! argument ".*nvme,.*" && [ "$(cat "$dir/guest/vm/drives")" = 0 ] &&
	 [ -z "$(ls "$dir/guest/modules")" ]'
vm ASSAY_VM_MODULES="b_c built_in"
expect "a module comes with what it needs, needed ones first" \
	'[ $status = 7 ] && cmp -s "$dir/guest/modules/10.ko" "$modules/kernel/a.ko" &&
	 cmp -s "$dir/guest/modules/11.ko" "$modules/kernel/b-c.ko" &&
	 [ "$(ls "$dir/guest/modules" | wc -l)" = 2 ]'
vm ASSAY_VM_MODULES="a nothing"
expect "a module that the kernel lacks is refused" 'refused "no module nothing"'
vm ASSAY_VM_DRIVE="iops=200;size=64M,bps=1000"
expect "a throttled drive, of 256 MiB" \
	'argument "file=drive1,.*,iops=200" && grep -qx "drive1 268435456" "$dir/drives" &&
	 argument "nvme-ns,drive=drive1,bus=nvme0,nsid=1"'
expect "a second one of its own size" \
	'argument "file=drive2,.*,bps=1000" && grep -qx "drive2 67108864" "$dir/drives" &&
	 argument "nvme-ns,drive=drive2,bus=nvme0,nsid=2" &&
	 [ "$(cat "$dir/guest/vm/drives")" = 2 ]'
vm ASSAY_VM_DRIVE="fast"
expect "a drive of words that say nothing is refused" 'refused "ASSAY_VM_DRIVE: fast"'
vm ASSAY_VM_DRIVE="iops=many"
expect "a drive that QEMU refuses is refused in its words" 'refused "expects a number"'
vm ASSAY_VM_APPEND="lockdown=integrity quiet" ASSAY_VM_MEMORY=1000
expect "the command line and the memory" \
	'argument "console=ttyS0 .* lockdown=integrity quiet" && argument 1000 &&
	 argument ".*,size=1000M,.*"'
vm ASSAY_VM_CPUS=16
expect "more CPUs" '[ $status = 7 ] && argument 16 && ! argument 2'
vm ASSAY_VM_CPUS=4 ASSAY_VM_POSSIBLE=16
expect "CPUs that may come, and a monitor to bring them" \
	'[ $status = 7 ] && argument "4,maxcpus=16,sockets=16" && argument chardev:own'
vm ASSAY_VM_CPUS=4 ASSAY_VM_POSSIBLE=2
expect "fewer possible CPUs than there are are refused" 'refused ASSAY_VM_POSSIBLE'
vm ASSAY_VM_CPUS=0
expect "a number of CPUs that is none is refused" 'refused ASSAY_VM_CPUS'
vm ASSAY_VM_MEMORY=much
expect "a memory that is no number is refused" 'refused ASSAY_VM_MEMORY'
