/*
 * vCPUs of KVM: making, parking, and kicking them out of KVM_RUN.
 *
 * The kick is a signal that is blocked everywhere but inside KVM_RUN (KVM_SET_SIGNAL_MASK swaps the
 * mask atomically), so that it interrupts KVM_RUN alone, and one that comes just before is not
 * lost: it stays pending and KVM_RUN returns at once. immediate_exit says the same without a signal
 * for the time before KVM_RUN looks at signals.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_CREATE_VCPU, KVM_SET_SIGNAL_MASK.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define KERNEL_SIGSET_BYTES 8   /* the kernel's sigset_t, smaller than libc's */

static int kick_signal(void)
{
    return SIGRTMIN + 4;
}

static void on_kick(int signal)
{
    /* Never runs but in the moment in which a thread ends; there so that the signal does not kill
     * us. */
}

static bool set_signals(RhKvmVcpu *kv, GError **err)
{
    struct sigaction action = { .sa_handler = on_kick };
    struct {
        struct kvm_signal_mask head;
        uint8_t bits[KERNEL_SIGSET_BYTES];
    } mask = { .head.len = KERNEL_SIGSET_BYTES };
    sigset_t blocked;

    sigaction(kick_signal(), &action, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, kick_signal());
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    sigdelset(&blocked, kick_signal());
    memcpy(mask.head.sigset, &blocked, KERNEL_SIGSET_BYTES);
    if (ioctl(kv->fd, KVM_SET_SIGNAL_MASK, &mask) < 0) {
        return rh_fail_errno(err, errno, "Could not set the signal mask of vCPU %u",
                             kv->vcpu->index);
    }
    return true;
}

/* A vCPU of that APIC id which was unplugged before: KVM has no way to end one, nor to make it
 * twice. */
static RhKvmVcpu *unpark(RhKvm *kvm, uint64_t arch_id)
{
    RhKvmVcpu *found = NULL;

    RH_WITH_LOCK(&kvm->gate.lock) {
        for (guint i = 0; i < kvm->parked->len && !found; i++) {
            RhKvmVcpu *kv = g_ptr_array_index(kvm->parked, i);

            if (kv->arch_id == arch_id) {
                found = kv;
                g_ptr_array_steal_index(kvm->parked, i);
            }
        }
    }
    return found;
}

static bool check_count(RhKvm *kvm, const RhVcpu *vcpu, GError **err)
{
    unsigned max = (unsigned)rh_kvm_cap(kvm, KVM_CAP_MAX_VCPUS);
    unsigned max_id = (unsigned)rh_kvm_cap(kvm, KVM_CAP_MAX_VCPU_ID);

    max = max ? max : 4;
    if (vcpu->index >= max) {
        return rh_fail(err, "vCPU %u is one too many: the host's KVM has %u at most", vcpu->index,
                       max);
    }
    if (vcpu->arch_id >= MAX(max_id, max)) {
        return rh_fail(
            err, "APIC id %" PRIu64 " of vCPU %u is too large: the host's KVM has ids below %u",
            vcpu->arch_id, vcpu->index, MAX(max_id, max));
    }
    return true;
}

static RhKvmVcpu *create(RhKvm *kvm, const RhVcpu *vcpu, GError **err)
{
    RhKvmVcpu *kv;
    rh_autofd fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)vcpu->arch_id);
    void *run;

    if (fd < 0) {
        rh_fail_errno(err, errno, "KVM could not make vCPU %u (APIC id %" PRIu64 ")", vcpu->index,
                      vcpu->arch_id);
        return NULL;
    }
    run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (run == MAP_FAILED) {
        rh_fail_errno(err, errno, "Could not map the shared pages of vCPU %u", vcpu->index);
        return NULL;
    }
    kv = g_new0(RhKvmVcpu, 1);
    kv->kvm = kvm;
    kv->fd = rh_steal_fd(&fd);
    kv->stats_fd = -1;
    kv->run = run;
    kv->arch_id = vcpu->arch_id;
    kv->is_fresh = true;
    if (!rh_kvm_dirty_map_ring(kv, err)) {
        rh_kvm_vcpu_free(kv);
        return NULL;
    }
    return kv;
}

/* All vCPUs show the same ring; the first one's pages stay mapped until the VM is closed. */
static void find_ring(RhKvmVcpu *kv)
{
    int page = rh_kvm_cap(kv->kvm, KVM_CAP_COALESCED_MMIO);

    if (page && !kv->kvm->ring) {
        kv->kvm->ring = (void *)((uint8_t *)kv->run + page * sysconf(_SC_PAGESIZE));
    }
}

bool rh_kvm_vcpu_init(RhVcpu *vcpu, GError **err)
{
    RhKvm *kvm = rh_kvm(vcpu->vm->accel);
    RhKvmVcpu *kv;

    if (!check_count(kvm, vcpu, err) || !rh_kvm_allow_apic_id(kvm, vcpu, err)) {
        return false;
    }
    kv = unpark(kvm, vcpu->arch_id);
    if (!kv) {
        kv = create(kvm, vcpu, err);
    }
    if (!kv) {
        return false;
    }
    kv->vcpu = vcpu;
    kv->thread = pthread_self();
    kv->intr = 0;
    kv->nmi = false;
    kv->init = false;
    kv->is_kicked = false;
    __atomic_store_n(&vcpu->accel, (void *)kv, __ATOMIC_RELEASE);
    if (!set_signals(kv, err) || !rh_kvm_arch_vcpu_init(kv, err)) {
        vcpu->accel = NULL;
        kv->vcpu = NULL;
        RH_WITH_LOCK(&kvm->gate.lock) {
            g_ptr_array_add(kvm->parked, kv);
        }
        return false;
    }
    RH_WITH_LOCK(&kvm->gate.lock) {
        find_ring(kv);
        g_ptr_array_add(kvm->gate.vcpus, kv);
    }
    return true;
}

void rh_kvm_vcpu_fini(RhVcpu *vcpu)
{
    RhKvmVcpu *kv = rh_kvm_vcpu(vcpu);

    if (!kv) {
        return;
    }
    RH_WITH_LOCK(&kv->kvm->gate.lock) {
        g_ptr_array_remove(kv->kvm->gate.vcpus, kv);
        kv->vcpu = NULL;
        g_ptr_array_add(kv->kvm->parked, kv);
    }
    __atomic_store_n(&vcpu->accel, NULL, __ATOMIC_RELEASE);
}

void rh_kvm_vcpu_free(RhKvmVcpu *kv)
{
    rh_kvm_dirty_unmap_ring(kv);
    munmap(kv->run, kv->kvm->run_size);
    close(kv->fd);
    rh_autofd_end(&kv->stats_fd);
    g_free(kv);
}

void rh_kvm_kick(RhKvmVcpu *kv)
{
    /* Pairs with the store in rh_kvm_take_kick: either the vCPU sees our caller's request after it,
     * or we signal. */
    if (__atomic_exchange_n(&kv->is_kicked, true, __ATOMIC_SEQ_CST)) {
        return;
    }
    __atomic_store_n(&kv->run->immediate_exit, 1, __ATOMIC_RELEASE);
    pthread_kill(kv->thread, kick_signal());
}

void rh_kvm_vcpu_kick(RhVcpu *vcpu)
{
    RhKvmVcpu *kv = __atomic_load_n(&vcpu->accel, __ATOMIC_ACQUIRE);

    if (kv) {           /* once unplugged it is parked, but stays in memory */
        rh_kvm_kick(kv);
    }
}

void rh_kvm_take_kick(RhKvmVcpu *kv)
{
    const struct timespec now = { 0 };
    sigset_t kick;

    sigemptyset(&kick);
    sigaddset(&kick, kick_signal());
    while (sigtimedwait(&kick, NULL, &now) > 0) {
    }
    __atomic_store_n(&kv->run->immediate_exit, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&kv->is_kicked, false, __ATOMIC_SEQ_CST);
}
