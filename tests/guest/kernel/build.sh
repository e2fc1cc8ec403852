#!/bin/sh
# Builds the Linux guest of the tests from Debian 12's linux-source-6.1.
#
#   build.sh OUTDIR BUILDDIR
#
# OUTDIR gets vmlinux (stripped, PVH entry), bzImage, System.map and config. BUILDDIR takes about
# 1.7 GB while building. RHEA_JOBS limits the number of compilers. scripts/test-kernel calls this.
#
# The source changes make the kernel fit for a KVM that interprets ring 0 (one without VMX or SVM,
# such as PVM): each avoids an instruction that KVM's emulator lacks, or saves emulated
# instructions. They do no harm elsewhere.
set -eu

out=$(mkdir -p "$1" && cd "$1" && pwd)
build=$(mkdir -p "$2" && cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

src=$build/linux-source-6.1
rm -rf "$src"
tar -C "$build" -xf /usr/src/linux-source-6.1.tar.xz
cd "$src"

# edit FILE MARK SED-SCRIPT: MARK must be in FILE afterwards and not before
edit() {
    if grep -qF -- "$2" "$1"; then
        echo "$1: already changed" >&2
        exit 1
    fi
    sed -i "$3" "$1"
    grep -qF -- "$2" "$1" || { echo "$1: the source is not as expected" >&2; exit 1; }
}

# INT3 in ring 0 is not emulated: no boot-time self test of it.
edit arch/x86/kernel/alternative.c 'if (0) int3_selftest();' \
	's/^\tint3_selftest();/\tif (0) int3_selftest();/'
# Nor CMPXCHG16B (SLUB), nor FWAIT (dropping FPU state at exec and exit).
edit arch/x86/include/asm/cmpxchg_64.h 'system_has_cmpxchg_double() 0' \
	's/\(system_has_cmpxchg_double()\) boot_cpu_has(X86_FEATURE_CX16)/\1 0/'
edit arch/x86/kernel/fpu/core.c 'no FWAIT here' \
	'/asm volatile("1: fwait\\n"/,/_ASM_EXTABLE(1b, 2b));/c\		/* no FWAIT here */'
# CPUID bits that such a KVM shows whatever the VMM sets (ring 3 runs natively),
# although ring 0 cannot execute the instructions.
edit arch/x86/kernel/cpu/common.c 'emul_unsafe' \
	'/^static void __init cpu_parse_early_param(void)/,/^}/ s/^\tint arglen, taint = 0;/&\n\tstatic const int emul_unsafe[] __initconst = {\n\t\tX86_FEATURE_XSAVE, X86_FEATURE_CX16, X86_FEATURE_SMAP,\n\t\tX86_FEATURE_PCID, X86_FEATURE_INVPCID, X86_FEATURE_FSGSBASE,\n\t\tX86_FEATURE_SERIALIZE, X86_FEATURE_MOVDIRI, X86_FEATURE_MOVDIR64B,\n\t\tX86_FEATURE_CLWB, X86_FEATURE_XMM4_2, X86_FEATURE_POPCNT,\n\t\tX86_FEATURE_ERMS, X86_FEATURE_FSRM, X86_FEATURE_RDTSCP,\n\t\tX86_FEATURE_RDPID, X86_FEATURE_MWAIT, X86_FEATURE_AVX,\n\t\tX86_FEATURE_WAITPKG,\n\t};\n\tint i;\n\n\tfor (i = 0; i < ARRAY_SIZE(emul_unsafe); i++)\n\t\tsetup_clear_cpu_cap(emul_unsafe[i]);/'
# VMCALL loops for ever: no hypercalls for IPIs and yielding.
edit arch/x86/kernel/kvm.c 'return false && ' \
	'/^static bool pv_\(ipi\|sched_yield\)_supported(void)/,/^}/ s/^\treturn /\treturn false \&\& /'
# SYSCALL changes RIP, RCX and R11 but not the privilege level, so the fetch at
# the entry point faults from ring 3: do the system call from there.
edit arch/x86/mm/fault.c 'SYSCALL left at CPL 3' \
	's|^#include <asm/irq_stack.h>|&\n#include <asm/syscall.h>\n#include <asm/proto.h>|
/^DEFINE_IDTENTRY_RAW_ERRORCODE(exc_page_fault)/,/^}/ s|^\tprefetchw(&current->mm->mmap_lock);|\tif (unlikely(address == (unsigned long)entry_SYSCALL_64 \&\&\n\t\t     user_mode(regs) \&\& regs->ip == address)) {\n\t\t/* SYSCALL left at CPL 3 */\n\t\tregs->ip = regs->cx;\n\t\tregs->flags = regs->r11;\n\t\tregs->orig_ax = regs->ax;\n\t\tregs->ax = -ENOSYS;\n\t\tdo_syscall_64(regs, regs->orig_ax);\n\t\treturn;\n\t}\n\n&|'
# The same for a reboot by triple fault: UD2 faults as well as INT3 does.
edit arch/x86/kernel/reboot.c 'volatile("ud2")' \
	's/__asm__ __volatile__("int3");/asm volatile("ud2");/'
# The rest saves instructions: the MP table search mapped up to 64 KiB anew for
# every 16 bytes, option ROM checksums went byte by byte, /sys/module got every
# built-in parameter, and there were 63 virtual terminals.
edit arch/x86/kernel/mpparse.c 'bp = __va(base);' \
	'/^static int __init smp_scan_config/,/^}/ { s/bp = early_memremap(base, length);/bp = __va(base);/; s/^\t\tearly_memunmap(bp, length);// }'
edit arch/x86/kernel/x86_init.c '.probe_roms = x86_init_noop' \
	's/\.probe_roms[ \t]*= probe_roms,/.probe_roms = x86_init_noop,/'
edit kernel/params.c 'if (0) param_sysfs_builtin();' \
	'/^static int __init param_sysfs_init(void)/,/^}/ s/^\tparam_sysfs_builtin();/\tif (0) param_sysfs_builtin();/'
edit include/uapi/linux/vt.h 'MAX_NR_CONSOLES 4' \
	's/^#define MAX_NR_CONSOLES.*/#define MAX_NR_CONSOLES 4/'

o=$build/o
mkdir -p "$o"
export KBUILD_BUILD_USER=test KBUILD_BUILD_HOST=test KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
make -s O="$o" ARCH=x86_64 KCONFIG_ALLCONFIG="$here/test.config" allnoconfig
lost=0
while read -r line; do
    case $line in
    CONFIG_*) grep -qxF -- "$line" "$o/.config" || { echo "not in the configuration: $line" >&2; lost=1; } ;;
    esac
done <"$here/test.config"
[ $lost = 0 ] || exit 1
nice make -s -j"${RHEA_JOBS:-$(nproc)}" O="$o" ARCH=x86_64 bzImage
cp "$o/arch/x86/boot/bzImage" "$o/System.map" "$out/"
cp "$o/.config" "$out/config"
strip -o "$out/vmlinux" "$o/vmlinux"
ls -l "$out/bzImage" "$out/vmlinux"
