/*
 * The CPU device: its life, its state, and its place in the machine. Its types and properties are
 * made from tables in cpu-types.c.
 */
#include "target/i386/cpu.h"
#include "softmmu/accel.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"

const RhCpuLimits *rh_x86_cpu_limits(RhVm *vm)
{
    RhAccel *accel = vm ? vm->accel : NULL;

    if (!accel || !rh_accel_type(accel)->cpu_limits) {
        return rh_cpu_limits_everything();
    }
    return rh_accel_type(accel)->cpu_limits(accel);
}

/* A given id must be that of the place; otherwise it becomes known. */
static bool agree(int32_t *id, unsigned real, const char *name, GError **err)
{
    if (*id >= 0 && (unsigned)*id != real) {
        return rh_fail(err, "property %s: %d doesn't match set apic-id: %s is %u", name, *id, name, real);
    }
    *id = real;
    return true;
}

static bool check_id(int32_t id, unsigned count, const char *name, GError **err)
{
    if (id < 0) {
        return rh_fail(err, "CPU %s is not set", name);
    }
    return (unsigned)id < count ||
           rh_fail(err, "Invalid CPU %s: %d must be in range 0:%u", name, id, count - 1);
}

static bool index_of_ids(RhX86Cpu *cpu, const RhSmp *smp, unsigned *ret, GError **err)
{
    const RhCpuTopology *topo = &smp->topo;

    if (cpu->die_id < 0 && topo->dies == 1) {
        cpu->die_id = 0;
    }
    if (!check_id(cpu->socket_id, topo->sockets, "socket-id", err) ||
        !check_id(cpu->die_id, topo->dies, "die-id", err) ||
        !check_id(cpu->core_id, topo->cores, "core-id", err) ||
        !check_id(cpu->thread_id, topo->threads, "thread-id", err)) {
        return false;
    }
    *ret = rh_topology_index(topo, (RhCpuIds){ cpu->socket_id, cpu->die_id, cpu->core_id, cpu->thread_id });
    return true;
}

bool rh_x86_cpu_place(RhX86Cpu *cpu, const RhSmp *smp, int index, GError **err)
{
    unsigned place = index;
    RhCpuIds ids;

    if (index < 0 && !index_of_ids(cpu, smp, &place, err)) {
        return false;
    }
    if (place >= smp->max_cpus) {
        return rh_fail(err, "Invalid CPU index: %u must be in range 0:%u", place, smp->max_cpus - 1);
    }
    ids = rh_topology_ids(&smp->topo, place);
    if (!agree(&cpu->socket_id, ids.socket, "socket-id", err) || !agree(&cpu->die_id, ids.die, "die-id", err) ||
        !agree(&cpu->core_id, ids.core, "core-id", err) ||
        !agree(&cpu->thread_id, ids.thread, "thread-id", err)) {
        return false;
    }
    cpu->topo = smp->topo;
    cpu->apic_id = rh_apic_id(&smp->topo, ids);
    return true;
}

/* The properties of a -cpu option one by one, as globals of its type: CPUs plugged later get them too. */
bool rh_x86_cpu_add_globals(RhVm *vm, const char *option, char **ret_type, GPtrArray *warnings, GError **err)
{
    static const char passes[] = { '=', '+', '-' };
    g_auto(GStrv) items = NULL;
    RhCpuSpec spec;
    char *type;

    if (!rh_cpu_spec_parse(&spec, option, warnings, err)) {
        return false;
    }
    items = g_strsplit(option, ",", -1);
    type = g_strdup_printf(RH_X86_CPU_NAME("%s"), spec.name);
    for (size_t pass = 0; pass < RH_COUNT(passes); pass++) {
        for (char **item = items + 1; *item; item++) {
            bool is_sign = **item == '+' || **item == '-';
            const char *equals = is_sign ? NULL : strchr(*item, '=');
            g_autofree char *name = equals ? g_strndup(*item, equals - *item) : g_strdup(*item + is_sign);

            if (**item && (is_sign ? **item : '=') == passes[pass]) {
                g_strdelimit(name, "_", '-');
                rh_vm_add_global(vm, type, name, equals ? equals + 1 : **item == '-' ? "off" : "on", false);
            }
        }
    }
    *ret_type = type;
    return true;
}

static void build_leaves(RhX86Cpu *cpu)
{
    cpu->cpuid = g_new0(RhCpuidEntry, RH_CPUID_MAX_ENTRIES);
    cpu->x86.nr_cpuid = rh_cpuid_build(&cpu->def, &cpu->topo, cpu->apic_id, cpu->cpuid);
    cpu->x86.cpuid = cpu->cpuid;
    cpu->x86.tsc_khz = (uint32_t)MIN(cpu->def.props.tsc_frequency / 1000, UINT32_MAX);
}

static void release_leaves(RhDevice *dev, void *arg)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, dev);

    cpu->x86.cpuid = NULL;
    cpu->x86.nr_cpuid = 0;
    g_clear_pointer(&cpu->cpuid, g_free);
}

static void end_thread(RhDevice *dev, void *arg)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, dev);
    RhVm *vm = rh_device_vm(dev);

    rh_vcpu_stop(&cpu->x86.vcpu);
    g_ptr_array_remove(vm->vcpus, &cpu->x86.vcpu);
    cpu->is_listed = false;
}

static bool begin_thread(RhX86Cpu *cpu, GError **err)
{
    RhVm *vm = rh_device_vm(&cpu->parent);
    RhVcpu *vcpu = &cpu->x86.vcpu;

    vcpu->vm = vm;
    vcpu->cpu = RH_OBJECT(cpu);
    vcpu->arch_id = cpu->apic_id;
    vcpu->index = vm->vcpus->len;
    g_ptr_array_add(vm->vcpus, vcpu);
    if (!rh_vcpu_start(vcpu, err)) {
        g_ptr_array_remove(vm->vcpus, vcpu);
        return false;
    }
    cpu->is_listed = true;
    rh_device_claim(&cpu->parent, end_thread, NULL);
    return true;
}

bool rh_x86_cpu_realize(RhDevice *dev, GError **err)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, dev);
    RhVm *vm = rh_device_vm(dev);

    if (cpu->apic_id == RH_X86_NO_APIC_ID) {
        return rh_fail(err, "apic-id property was not initialized properly");
    }
    if (!rh_cpu_resolve(&cpu->def, &cpu->spec, rh_x86_cpu_limits(vm), cpu->warnings, err)) {
        return false;
    }
    build_leaves(cpu);
    rh_device_claim(dev, release_leaves, NULL);
    return !vm || !vm->accel || begin_thread(cpu, err);
}

/* SDM vol. 3A table 9-1: EDX holds the signature after reset. */
void rh_x86_cpu_reset(RhDevice *dev)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, dev);
    const RhCpuidEntry *leaf1 = rh_cpuid_find(cpu->x86.cpuid, cpu->x86.nr_cpuid, 1, 0);

    cpu->x86.state.gpr[RH_RDX] = leaf1 ? leaf1->eax : 0;
    rh_x86_state_set_apic(&cpu->x86.state, cpu->apic_id, cpu->x86.vcpu.index == 0);
    cpu->must_reset = true;
}

static void store(RhVcpu *vcpu, void *arg)
{
    RhX86Cpu *cpu = rh_x86_cpu(vcpu);
    GError **err = arg;

    if (rh_accel_type(vcpu->vm->accel)->vcpu_store) {
        rh_accel_type(vcpu->vm->accel)->vcpu_store(vcpu, cpu->must_reset, err);
    }
    cpu->must_reset = false;
}

static void fetch(RhVcpu *vcpu, void *arg)
{
    GError **err = arg;

    if (rh_accel_type(vcpu->vm->accel)->vcpu_fetch) {
        rh_accel_type(vcpu->vm->accel)->vcpu_fetch(vcpu, err);
    }
}

static void move_state(RhX86Cpu *cpu, void (*move)(RhVcpu *vcpu, void *arg), const char *what)
{
    g_autoptr(GError) error = NULL;

    if (!cpu->is_listed) {
        return;
    }
    rh_vcpu_run_on(&cpu->x86.vcpu, move, &error);
    if (error) {
        rh_guest_error(&cpu->parent, "cannot %s the state of CPU %u: %s", what, cpu->x86.vcpu.index,
                       error->message);
    }
}

void rh_x86_cpu_settle(RhDevice *dev)
{
    move_state(RH_SELF(RhX86Cpu, dev), store, "set");
}

void rh_x86_cpu_saving(RhDevice *dev)
{
    move_state(RH_SELF(RhX86Cpu, dev), fetch, "get");
}

static void fetch_on_thread(RhVcpu *vcpu, void *is_fetched)
{
    const RhAccelType *type = rh_accel_type(vcpu->vm->accel);

    *(bool *)is_fetched = !type->vcpu_fetch || type->vcpu_fetch(vcpu, NULL);
}

bool rh_x86_cpu_fetch(RhX86Cpu *cpu)
{
    bool is_fetched = true;

    if (cpu->x86.vcpu.vm->accel) {
        rh_vcpu_run_on(&cpu->x86.vcpu, fetch_on_thread, &is_fetched);
    }
    return is_fetched;
}
