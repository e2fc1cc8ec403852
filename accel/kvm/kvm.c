/*
 * kvm-accel: the VM behind /dev/kvm, and its properties.
 *
 * Spec: Documentation/virt/kvm/api.rst. Lock: the machine lock.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define API_VERSION 12
/* Where the kernel may keep pages of its own on old Intel hosts; firmware reserves these four in
 * its memory map. */
#define IDENTITY_MAP_ADDR UINT64_C(0xfeffc000)
#define TSS_ADDR          UINT64_C(0xfeffd000)

static bool fail_denied(const char *path, GError **err)
{
    struct group *group = NULL;
    struct stat st;

    rh_fail(err, "Could not access KVM: no permission to open %s", path);
    if (stat(path, &st) == 0 && (st.st_mode & S_IRGRP) && (st.st_mode & S_IWGRP)) {
        group = getgrgid(st.st_gid);
    }
    if (group) {
        rh_hint(err,
                "Add yourself to the group '%s': sudo usermod -a -G %s $USER, then log in again",
                group->gr_name, group->gr_name);
    } else {
        rh_hint(err, "Only its owner may use %s; ask whoever administers this host", path);
    }
    return false;
}

static bool fail_open(const char *path, int error, GError **err)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return fail_denied(path, err);
    case ENOENT:
        rh_fail(err, "Could not access KVM: there is no %s", path);
        rh_hint(err, "Load the kernel module (sudo modprobe kvm_intel or kvm_amd), switch "
                     "virtualisation on in the firmware, or, inside a virtual machine or "
                     "container, have it passed in");
        return false;
    case ENODEV:
    case ENXIO:
        rh_fail(err, "Could not access KVM: %s is there, but no KVM module answers behind it",
                path);
        rh_hint(err, "Load the kernel module: sudo modprobe kvm_intel, or kvm_amd");
        return false;
    default:
        return rh_fail_errno(err, error, "Could not access KVM: %s", path);
    }
}

static bool open_device(RhKvm *kvm, GError **err)
{
    const char *path = kvm->device ? kvm->device : "/dev/kvm";
    int version;

    kvm->dev_fd = open(path, O_RDWR | O_CLOEXEC);
    if (kvm->dev_fd < 0) {
        return fail_open(path, errno, err);
    }
    version = ioctl(kvm->dev_fd, KVM_GET_API_VERSION, 0);
    if (version < 0) {
        return rh_fail(err, "%s is not KVM", path);
    }
    if (version != API_VERSION) {
        return rh_fail(err, "%s speaks version %d of the KVM API, must be %d", path, version,
                       API_VERSION);
    }
    return true;
}

static bool create_vm(RhKvm *kvm, GError **err)
{
    int size;

    do {
        kvm->vm_fd = ioctl(kvm->dev_fd, KVM_CREATE_VM, 0);
    } while (kvm->vm_fd < 0 && errno == EINTR);
    if (kvm->vm_fd < 0) {
        return rh_fail_errno(err, errno, "KVM could not make a virtual machine");
    }
    size = ioctl(kvm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < (int)sizeof(struct kvm_run)) {
        return rh_fail_errno(err, errno, "KVM does not tell the size of a vCPU's shared pages");
    }
    kvm->run_size = (size_t)size;
    return true;
}

static void place_kernel_pages(RhKvm *kvm)
{
    uint64_t identity = IDENTITY_MAP_ADDR;

    /* Where this fails the host needs no such pages, or KVM_RUN will say so. */
    if (rh_kvm_cap(kvm, KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
        ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
    }
    if (rh_kvm_cap(kvm, KVM_CAP_SET_TSS_ADDR)) {
        ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDR);
    }
}

static bool apply_shadow_mem(RhKvm *kvm, GError **err)
{
    return !kvm->shadow_mem || ioctl(kvm->vm_fd, KVM_SET_NR_MMU_PAGES, kvm->shadow_mem / 4096) == 0 ||
           rh_fail_errno(err, errno, "KVM does not take kvm-shadow-mem=%" PRIu64, kvm->shadow_mem);
}

/* The values of RhKvmNotify */
static const char *const notify_names[] = { "run", "internal-error", "disable", NULL };

static void set_up_notify(RhKvm *kvm)
{
    uint64_t flags = KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER;
    bool has_it = rh_kvm_cap(kvm, KVM_CAP_X86_NOTIFY_VMEXIT);

    if (kvm->notify == RH_KVM_NOTIFY_DISABLE) {
        return;
    }
    if ((!has_it || rh_kvm_enable_cap(kvm, KVM_CAP_X86_NOTIFY_VMEXIT,
                                      (uint64_t)kvm->notify_window << 32 | flags) < 0) &&
        kvm->is_notify_asked) {
        g_printerr("warning: The host's KVM cannot tell when a guest blocks interrupts: "
                   "notify-vmexit=%s does nothing\n", notify_names[kvm->notify]);
    }
}

static void kvm_close(RhAccel *accel)
{
    RhKvm *kvm = rh_kvm(accel);

    if (kvm->vm_fd >= 0 && kvm->caps) {
        rh_kvm_ports_end(kvm, accel->obj.vm->ports);
        rh_kvm_memory_end(kvm, accel->obj.vm->memory);
        rh_kvm_arch_close(kvm);
    }
    if (kvm->parked) {
        kvm->ring = NULL;
        g_ptr_array_unref(kvm->parked);
        kvm->parked = NULL;
        rh_kvm_gate_fini(&kvm->gate);
    }
    rh_kvm_routes_end(kvm);
    rh_kvm_dirty_close(kvm);
    g_clear_pointer(&kvm->caps, g_free);
    if (kvm->vm_fd >= 0) {
        close(kvm->vm_fd);
    }
    if (kvm->dev_fd >= 0) {
        close(kvm->dev_fd);
    }
    kvm->vm_fd = kvm->dev_fd = -1;
}

static void free_parked(void *kv)
{
    rh_kvm_vcpu_free(kv);
}

static bool kvm_open(RhAccel *accel, GError **err)
{
    RhKvm *kvm = rh_kvm(accel);

    if (!open_device(kvm, err) || !create_vm(kvm, err) || !rh_kvm_caps_read(kvm, err) ||
        !rh_kvm_dirty_open(kvm, err) || !apply_shadow_mem(kvm, err) ||
        !rh_kvm_arch_open(kvm, err)) {
        kvm_close(accel);
        return false;
    }
    kvm->parked = g_ptr_array_new_with_free_func(free_parked);
    rh_kvm_gate_init(&kvm->gate);
    place_kernel_pages(kvm);
    set_up_notify(kvm);
    rh_kvm_memory_begin(kvm, accel->obj.vm->memory);
    rh_kvm_ports_begin(kvm, accel->obj.vm->ports);
    return true;
}

static void kvm_init(RhObject *obj)
{
    RhKvm *kvm = (RhKvm *)obj;

    kvm->dev_fd = kvm->vm_fd = -1;
}

static void kvm_fini(RhObject *obj)
{
    kvm_close((RhAccel *)obj);
}

/* The values of RhIrqchip, then RH_KVM_IRQCHIP_AUTO */
static const char *const irqchip_names[] = { "off", "split", "on", "auto", NULL };

static bool note_notify(RhObject *obj, const RhProp *prop, GError **err)
{
    ((RhKvm *)obj)->is_notify_asked = true;
    return true;
}

static bool refuse_eager_split(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    if (g_strcmp0(json_object_get_string(value), "0") == 0) {
        return true;
    }
    return rh_fail(err, "Property 'kvm-accel.%s' is not supported yet, must be 0", prop->name);
}

static bool check_ring_size(RhObject *obj, const RhProp *prop, GError **err)
{
    uint32_t size = ((RhKvm *)obj)->dirty_ring_size;

    return !(size & (size - 1)) ||
           rh_fail(err, "Property 'kvm-accel.%s' is %u, must be 0 or a power of two", prop->name,
                   size);
}

static json_object *get_zero(RhObject *obj, const RhProp *prop)
{
    return json_object_new_int(0);
}

static const RhProp kvm_props[] = {
    RH_PROP_AS(rh_prop_enum, "kernel-irqchip", RhKvm, irqchip_asked, .def = RH_KVM_IRQCHIP_AUTO,
               .values = irqchip_names, .doc = "interrupt chips in the kernel: on, split or off"),
    RH_PROP_AS(rh_prop_size, "kvm-shadow-mem", RhKvm, shadow_mem,
               .doc = "memory for shadow page tables, in bytes; 0: the kernel's choice"),
    RH_PROP("dirty-ring-size", RhKvm, dirty_ring_size,
            .changed = check_ring_size,
            .doc = "entries of the dirty page ring of each vCPU; 0: dirty bitmaps"),
    RH_PROP("device", RhKvm, device, .doc = "the KVM device, if it is not /dev/kvm"),
    RH_PROP_AS(rh_prop_enum, "notify-vmexit", RhKvm, notify, .def = RH_KVM_NOTIFY_RUN,
               .values = notify_names, .changed = note_notify,
               .doc = "when the guest blocks interrupts for long: run, internal-error, disable"),
    RH_PROP("notify-window", RhKvm, notify_window,
            .doc = "clock cycles until notify-vmexit, beyond the processor's own"),
    RH_PROP_COMPUTED("eager-split-size", .get = get_zero, .set = refuse_eager_split,
                     .doc = "size of pieces that huge pages are split into for dirty tracking"),
};

RH_ACCEL(RhKvm,
    .name = RH_TYPE_KVM_ACCEL,
    .doc = "the host's KVM",
    .props = RH_TABLE(kvm_props),
    .init = kvm_init,
    .fini = kvm_fini,
    .open = kvm_open,
    .close = kvm_close,
    .set_up_irqchip = rh_kvm_set_up_irqchip,
    .vcpu_init = rh_kvm_vcpu_init,
    .vcpu_fini = rh_kvm_vcpu_fini,
    .vcpu_run = rh_kvm_vcpu_run,
    .vcpu_kick = rh_kvm_vcpu_kick,
    .vcpu_fetch = rh_kvm_fetch,
    .vcpu_store = rh_kvm_store,
    .vcpu_interrupt = rh_kvm_vcpu_interrupt,
    .set_gsi = rh_kvm_set_gsi,
    .send_msi = rh_kvm_send_msi,
    .bind_route = rh_kvm_bind_route,
    .update_route = rh_kvm_update_route,
    .unbind_route = rh_kvm_unbind_route,
    .set_ioapic_pin = rh_kvm_set_ioapic_pin,
    .dirty_begin = rh_kvm_dirty_begin,
    .dirty_end = rh_kvm_dirty_end,
    .dirty_fetch = rh_kvm_dirty_fetch,
    .stats = rh_kvm_stats,
    .stats_schema = rh_kvm_stats_schema,
    .set_clock_running = rh_kvm_set_clock_running,
    .cpu_limits = rh_kvm_cpu_limits,
    .has_wall_clock = true,
    .runs_guest = true);
