/*
 * Local APICs of our own, where the accelerator has none: between the CPUs and the other interrupt chips.
 */
#include "hw/i386/pc.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "softmmu/accel.h"
#include "target/i386/cpu.h"

#define CPUID_1_EDX_APIC (1u << 9)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)

static RhPcIrqs *irqs_of(RhVm *vm)
{
    return &((RhPcMachine *)rh_machine_of(vm))->irqs;
}

static RhDevice *apic_of(const RhVcpu *vcpu)
{
    RhPcIrqs *irqs = irqs_of(vcpu->vm);

    return irqs->apics ? rh_apic_bus_find(irqs->apics, vcpu) : NULL;
}

/* --- APIC -> CPU and chips --- */

void rh_pc_request(RhVcpu *vcpu, int kind, int level)
{
    RhAccel *accel = vcpu->vm->accel;

    if (kind == RH_CPU_SMI && !((RhPcMachine *)rh_machine_of(vcpu->vm))->has_smm) {
        return;     /* by a message, too: what it would save its registers over is the guest's */
    }
    if (accel && rh_accel_type(accel)->vcpu_interrupt) {
        rh_accel_type(accel)->vcpu_interrupt(vcpu, kind, level);
    }
}

static int external(RhVcpu *vcpu)
{
    RhDevice *pic = irqs_of(vcpu->vm)->pic;

    return pic ? rh_pic_acknowledge(pic) : -1;
}

static void ended(RhVm *vm, uint8_t vector)
{
    rh_ioapic_eoi(irqs_of(vm)->ioapic, vector);
    if (irqs_of(vm)->ioapic2) {
        rh_ioapic_eoi(irqs_of(vm)->ioapic2, vector);
    }
}

static int64_t tsc_wait(RhVcpu *vcpu, uint64_t tsc)
{
    return rh_accel_type(vcpu->vm->accel)->tsc_wait(vcpu, tsc);
}

static const RhApicOps apic_ops = { .request = rh_pc_request, .external = external, .ended = ended, .tsc_wait = tsc_wait };

static void send_message(void *bus, uint64_t address, uint32_t data)
{
    rh_apic_bus_send(bus, address, data);
}

/* --- CPU -> APIC --- */

static int acknowledge(RhVcpu *vcpu)
{
    RhDevice *apic = apic_of(vcpu);

    return apic ? rh_apic_acknowledge(apic) : external(vcpu);
}

static void initialize(RhVcpu *vcpu)
{
    RhDevice *apic = apic_of(vcpu);
    int vector;

    if (!apic) {
        return;
    }
    if (rh_apic_take_init(apic)) {
        rh_x86_cpu_init_message(vcpu);
    }
    vector = rh_apic_take_startup(apic);
    if (vector >= 0) {
        rh_x86_cpu_startup_message(vcpu, vector);
    }
}

static void set_tpr(RhVcpu *vcpu, unsigned priority)
{
    RhDevice *apic = apic_of(vcpu);

    if (apic) {
        rh_apic_set_tpr(apic, priority);
    }
}

static bool apic_msr(RhVcpu *vcpu, uint32_t index, uint64_t *value, bool is_write)
{
    RhDevice *apic = apic_of(vcpu);

    return apic && (is_write ? rh_apic_write_msr(apic, index, *value) : rh_apic_read_msr(apic, index, value));
}

static void tsc_moved(RhVcpu *vcpu)
{
    RhDevice *apic = apic_of(vcpu);

    if (apic) {
        rh_apic_tsc_moved(apic);
    }
}

/* INTR of the 8259 goes to the boot CPU alone: through its local APIC if that is ours and there is one. */
void rh_pc_drive_intr(void *opaque, unsigned pin, int level)
{
    RhVm *vm = opaque;
    RhVcpu *first = vm->vcpus->len ? vm->vcpus->pdata[0] : NULL;
    RhDevice *apic = first ? apic_of(first) : NULL;

    if (apic) {
        rh_pin_set(apic, NULL, RH_APIC_LINT0, level);
    } else if (first) {
        rh_pc_request(first, RH_CPU_INTR, level);
    }
}

bool rh_pc_make_apic_bus(RhPcMachine *pc, GError **err)
{
    RhVm *vm = rh_machine_vm(&pc->parent);
    RhAccel *accel = vm->accel;

    if (accel) {
        accel->acknowledge = acknowledge;
    }
    if (rh_accel_has_irqchip(vm)) {
        return true;
    }
    pc->irqs.apics = rh_device_create(vm, NULL, NULL, RH_TYPE_APIC_BUS, NULL, NULL, err);
    if (!pc->irqs.apics) {
        return false;
    }
    rh_apic_bus_set_ops(pc->irqs.apics, &apic_ops);
    rh_ioapic_set_delivery(pc->irqs.ioapic, send_message, pc->irqs.apics);
    if (accel) {
        accel->initialize = initialize;
        accel->set_tpr = set_tpr;
        accel->apic_msr = apic_msr;
        accel->tsc_moved = tsc_moved;
    }
    return true;
}

bool rh_pc_make_ioapic2(RhPcMachine *pc, GError **err)
{
    g_autofree char *base = g_strdup_printf("%u", RH_IOAPIC2_BASE);
    g_autofree char *first = g_strdup_printf("%u", RH_PC_NR_GSIS);
    const char *const props[] = { "x-base", base, "x-first-gsi", first, NULL };

    pc->irqs.ioapic2 = rh_device_create(rh_machine_vm(&pc->parent), &pc->parent.obj, "ioapic2", RH_TYPE_IOAPIC, NULL,
                                        props, err);
    if (pc->irqs.ioapic2 && pc->irqs.apics) {
        rh_ioapic_set_delivery(pc->irqs.ioapic2, send_message, pc->irqs.apics);
    }
    return pc->irqs.ioapic2 != NULL;
}

bool rh_pc_make_apic(RhPcMachine *pc, RhX86Cpu *cpu, GError **err)
{
    const RhCpuidEntry *leaf1 = rh_cpuid_find(cpu->x86.cpuid, cpu->x86.nr_cpuid, 1, 0);
    const RhAccel *accel = rh_machine_vm(&pc->parent)->accel;
    bool has_deadline = leaf1 && (leaf1->ecx & CPUID_1_ECX_TSC_DEADLINE) && accel && rh_accel_type(accel)->tsc_wait;

    return !pc->irqs.apics || !cpu->is_listed || !leaf1 || !(leaf1->edx & CPUID_1_EDX_APIC) ||
           rh_apic_new(pc->irqs.apics, RH_OBJECT(cpu), &cpu->x86.vcpu, cpu->apic_id, has_deadline, err);
}
