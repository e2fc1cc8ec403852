/*
 * bare-kvm ROM - the least that runs a 64 KiB firmware image on KVM: one vCPU, 64 MiB, the in-kernel
 * interrupt controllers, and a loop that answers every exit from a register. What a monitor adds to an
 * exit is measured against it. Port 0x3f8 goes to standard output, port 0xf4 ends it as isa-debug-exit
 * does.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define RAM_SIZE (64u << 20)
#define ROM_SIZE 0x10000u
#define ROM_BASE 0xffff0000u

static int checked(int result, const char *what)
{
    if (result < 0) {
        err(1, "%s", what);
    }
    return result;
}

static void *map_memory(int vm, unsigned slot, uint64_t base, size_t size)
{
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {
        .slot = slot, .guest_phys_addr = base, .memory_size = size, .userspace_addr = (uintptr_t)mem,
    };

    if (mem == MAP_FAILED) {
        err(1, "mmap");
    }
    checked(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    return mem;
}

static void copy_cpuid(int kvm, int vcpu)
{
    static union {
        struct kvm_cpuid2 head;
        char room[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
    } cpuid = { .head.nent = 256 };

    checked(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
    checked(ioctl(vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

/* The exit status once the guest wrote port 0xf4, or -1. */
static int answer_port(struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    if (run->io.direction == KVM_EXIT_IO_IN) {
        memset(data, run->io.port == 0x3fd ? 0x60 : 0, run->io.size * run->io.count);
    } else if (run->io.port == 0x3f8) {
        putchar(*data);
    } else if (run->io.port == 0xf4) {
        return (*data << 1) | 1;
    }
    return -1;
}

static int run_loop(int vcpu, struct kvm_run *run)
{
    for (;;) {
        int status = -1;

        checked(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            status = answer_port(run);
            break;
        case KVM_EXIT_MMIO:
            if (!run->mmio.is_write) {
                memset(run->mmio.data, 0, sizeof(run->mmio.data));
            }
            break;
        default:
            errx(1, "exit reason %u", run->exit_reason);
        }
        if (status >= 0) {
            return status;
        }
    }
}

int main(int argc, char **argv)
{
    int kvm = checked(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int vm = checked(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    int size = checked(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run *run;
    FILE *rom;
    int vcpu;

    if (argc != 2 || !(rom = fopen(argv[1], "rb"))) {
        errx(2, "usage: bare-kvm ROM (64 KiB)");
    }
    checked(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    map_memory(vm, 0, 0, RAM_SIZE);
    if (fread(map_memory(vm, 1, ROM_BASE, ROM_SIZE), 1, ROM_SIZE, rom) != ROM_SIZE) {
        errx(2, "%s is not 64 KiB", argv[1]);
    }
    fclose(rom);
    vcpu = checked(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    copy_cpuid(kvm, vcpu);
    run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) {
        err(1, "mmap of the run page");
    }
    return run_loop(vcpu, run);
}
