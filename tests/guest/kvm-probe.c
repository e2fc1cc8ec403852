/*
 * kvm-probe - says what the KVM of this machine can run, in one word on standard output:
 *
 *   none         no usable /dev/kvm; why stands on standard error
 *   interpreted  guest kernel code goes through KVM's instruction emulator (no VMX or SVM below, such
 *                as PVM): no stock kernel boots, see docs/testing.md
 *   full         anything runs
 *
 * It lets a vCPU in ring 0 of long mode run FWAIT, which the emulator lacks.
 * Stands alone (cc -o kvm-probe kvm-probe.c), because scripts use it before anything is built.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_SIZE 0x200000
#define PML4     0x1000
#define PDPT     0x2000
#define PD       0x3000
#define CODE     0x4000

static const uint8_t program[] = { 0x9b, 0xf4 }; /* fwait; hlt */

static int none(const char *what)
{
    fprintf(stderr, "kvm-probe: %s: %s\n", what, strerror(errno));
    puts("none");
    return 0;
}

static void on_alarm(int sig)
{
    (void)sig;
}

/* Identity map of the first 2 MiB, flat ring 0 segments, paging on. */
static int enter_long_mode(int vcpu, uint8_t *mem)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = CODE };
    struct kvm_segment seg = { .limit = 0xffffffff, .present = 1, .s = 1, .g = 1 };

    *(uint64_t *)(mem + PML4) = PDPT | 3;
    *(uint64_t *)(mem + PDPT) = PD | 3;
    *(uint64_t *)(mem + PD) = 0x83;
    memcpy(mem + CODE, program, sizeof(program));
    if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) {
        return -1;
    }
    seg.selector = 0x10;
    seg.type = 3;
    seg.db = 1;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = seg;
    seg.selector = 8;
    seg.type = 11;
    seg.db = 0;
    seg.l = 1;
    sregs.cs = seg;
    sregs.cr3 = PML4;
    sregs.cr4 = 0x620;      /* PAE, OSFXSR, OSXMMEXCPT */
    sregs.efer = 0x500;     /* LME, LMA */
    sregs.cr0 = 0x80000033; /* PG, NE, ET, MP, PE */
    return ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 ? -1 : ioctl(vcpu, KVM_SET_REGS, &regs);
}

int main(void)
{
    struct kvm_userspace_memory_region slot = { .memory_size = MEM_SIZE };
    struct sigaction action = { .sa_handler = on_alarm };
    struct kvm_run *run;
    uint8_t *mem;
    int kvm, vm, vcpu, size;

    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        return none("/dev/kvm");
    }
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
        return none("KVM_GET_API_VERSION");
    }
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        return none("KVM_CREATE_VM");
    }
    mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    slot.userspace_addr = (uintptr_t)mem;
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (mem == MAP_FAILED || vcpu < 0 || size <= 0 ||
        ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0) {
        return none("setting up a vCPU");
    }
    run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || enter_long_mode(vcpu, mem) < 0) {
        return none("setting up a vCPU");
    }
    sigaction(SIGALRM, &action, NULL);
    alarm(3);
    if (ioctl(vcpu, KVM_RUN, 0) < 0) {
        return none("KVM_RUN");
    }
    switch (run->exit_reason) {
    case KVM_EXIT_HLT:
        puts("full");
        return 0;
    case KVM_EXIT_INTERNAL_ERROR:
        puts("interpreted");
        return 0;
    default:
        fprintf(stderr, "kvm-probe: unexpected exit reason %u\n", run->exit_reason);
        puts("none");
        return 0;
    }
}
