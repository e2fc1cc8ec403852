/*
 * The machine of kvm-guest.h. It is its own device: regions take the Guest as their owner.
 */
#include "kvm-guest.h"

#include <fcntl.h>
#include <unistd.h>

static Guest *guest_of(RhDevice *dev)
{
    return (Guest *)dev;
}

static void note(Guest *guest, GuestAccess access)
{
    g_assert_cmpuint(guest->nr_log, <, GUEST_LOG_SIZE);
    guest->log[guest->nr_log++] = access;
}

static uint64_t read_port(RhDevice *dev, uint64_t at, unsigned size)
{
    note(guest_of(dev), (GuestAccess){ 'p', false, size, at, guest_of(dev)->answer });
    return guest_of(dev)->answer;
}

static void write_port(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    note(guest_of(dev), (GuestAccess){ 'p', true, size, at, value });
}

static uint64_t read_mmio(RhDevice *dev, uint64_t at, unsigned size)
{
    note(guest_of(dev), (GuestAccess){ 'm', false, size, at, guest_of(dev)->answer });
    return guest_of(dev)->answer;
}

static void write_mmio(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    note(guest_of(dev), (GuestAccess){ 'm', true, size, at, value });
}

static void write_stop(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Guest *guest = guest_of(dev);

    __atomic_store_n(&guest->is_stopped, true, __ATOMIC_RELEASE);
    guest_ops(guest)->vcpu_kick(&guest->cpu.vcpu);
}

static const RhRegionOps port_ops = { .read = read_port,
                                      .write = write_port,
                                      .is_unaligned_ok = true };
static const RhRegionOps mmio_ops = { .read = read_mmio,
                                      .write = write_mmio,
                                      .is_unaligned_ok = true };
static const RhRegionOps stop_ops = { .write = write_stop };

const RhAccelType *guest_ops(const Guest *guest)
{
    return rh_accel_type(&guest->kvm->parent);
}

bool guest_have_kvm(void)
{
    rh_autofd fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        g_test_skip("no usable /dev/kvm");
    }
    return fd >= 0;
}

static void map(Guest *guest)
{
    RhDevice *self = (RhDevice *)guest;
    RhRegion *memory = rh_space_root(guest->vm->memory);
    RhRegion *ports = rh_space_root(guest->vm->ports);

    rh_region_init_ram(&guest->ram_region, guest->vm, "ram", guest->ram, 0, GUEST_RAM_SIZE, false);
    rh_region_init_io(&guest->ports, guest->vm, self, "ports", &port_ops, 32);
    rh_region_init_io(&guest->stop, guest->vm, self, "stop", &stop_ops, 1);
    rh_region_init_io(&guest->mmio, guest->vm, self, "mmio", &mmio_ops, 4096);
    rh_map_begin(guest->vm);
    rh_region_add(memory, 0, &guest->ram_region);
    rh_region_add(memory, GUEST_MMIO, &guest->mmio);
    rh_region_add(ports, GUEST_PORT, &guest->ports);
    rh_region_add(ports, GUEST_STOP_PORT, &guest->stop);
    rh_map_end(guest->vm);
}

static void begin_vcpu(Guest *guest)
{
    RhX86State *state = &guest->cpu.state;
    g_autoptr(GError) error = NULL;

    guest->cpu.vcpu.vm = guest->vm;
    guest->cpu.vcpu.thread = pthread_self();
    g_ptr_array_add(guest->vm->vcpus, &guest->cpu.vcpu);
    guest_ops(guest)->vcpu_init(&guest->cpu.vcpu, &error);
    g_assert_no_error(error);
    *state = rh_x86_state_at_reset;
    rh_x86_state_set_apic(state, 0, true);
    guest_ops(guest)->vcpu_store(&guest->cpu.vcpu, true, &error);
    g_assert_no_error(error);
    state->seg[RH_CS].selector = 0;
    state->seg[RH_CS].base = 0;
    state->rip = GUEST_CODE;
    state->gpr[RH_RSP] = 0x8000;
}

static Guest *make(RhIrqchip irqchip, bool has_pit, uint32_t ring_entries, const uint8_t *code, size_t len)
{
    Guest *guest = g_new0(Guest, 1);
    g_autoptr(GError) error = NULL;

    guest->vm = rh_vm_new(&error);
    g_assert_no_error(error);
    guest->kvm = (RhKvm *)rh_object_new(guest->vm, RH_TYPE_KVM_ACCEL, &error);
    g_assert_no_error(error);
    guest->kvm->dirty_ring_size = ring_entries;
    rh_lock(&guest->vm->lock);
    guest_ops(guest)->open(&guest->kvm->parent, &error);
    g_assert_no_error(error);
    guest->vm->accel = &guest->kvm->parent;
    guest_ops(guest)->set_up_irqchip(&guest->kvm->parent, irqchip, has_pit, &error);
    g_assert_no_error(error);
    guest->ram = rh_ram_new("ram", GUEST_RAM_SIZE, NULL, &error);
    g_assert_no_error(error);
    map(guest);
    rh_unlock(&guest->vm->lock);
    memcpy(guest->ram->host + GUEST_CODE, code, len);
    begin_vcpu(guest);
    guest_store(guest);
    return guest;
}

Guest *guest_new(RhIrqchip irqchip, const uint8_t *code, size_t len)
{
    return make(irqchip, false, 0, code, len);
}

Guest *guest_new_with_pit(const uint8_t *code, size_t len)
{
    return make(RH_IRQCHIP_ON, true, 0, code, len);
}

Guest *guest_new_with_ring(uint32_t entries, const uint8_t *code, size_t len)
{
    return make(RH_IRQCHIP_OFF, false, entries, code, len);
}

void guest_free(Guest *guest)
{
    guest_ops(guest)->vcpu_fini(&guest->cpu.vcpu);
    rh_lock(&guest->vm->lock);
    g_ptr_array_remove(guest->vm->vcpus, &guest->cpu.vcpu);
    guest_ops(guest)->close(&guest->kvm->parent);
    guest->vm->accel = NULL;
    rh_object_unref(RH_OBJECT(guest->kvm));
    rh_region_fini(&guest->mmio);
    rh_region_fini(&guest->stop);
    rh_region_fini(&guest->ports);
    rh_region_fini(&guest->ram_region);
    rh_unlock(&guest->vm->lock);
    rh_ram_unref(guest->ram);
    rh_vm_free(guest->vm);
    g_free(guest);
}

void guest_store(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest_ops(guest)->vcpu_store(&guest->cpu.vcpu, false, &error);
    g_assert_no_error(error);
}

void guest_fetch(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest_ops(guest)->vcpu_fetch(&guest->cpu.vcpu, &error);
    g_assert_no_error(error);
}

RhRunResult guest_run(Guest *guest)
{
    RhRunResult result = RH_RUN_AGAIN;

    __atomic_store_n(&guest->is_stopped, false, __ATOMIC_RELEASE);
    while (result == RH_RUN_AGAIN && !__atomic_load_n(&guest->is_stopped, __ATOMIC_ACQUIRE)) {
        result = guest_ops(guest)->vcpu_run(&guest->cpu.vcpu);
    }
    return result;
}
