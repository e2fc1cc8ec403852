/*
 * tcg-accel - guests without KVM, by Rhea's own engine. Its name is the one that users and libvirt know.
 * Interrupt chips are our own ones.  Lock: machine lock, but for what softmmu/accel.h says of single slots.
 */
#include "accel/tcg/jit.h"

#include <cpuid.h>
#include "hw/core/machine.h"
#include "target/i386/tcg/features.h"

static RhTcg *tcg_of(RhAccel *accel)
{
    return RH_SELF(RhTcg, accel);
}

/* --- the memory map: host pointers that vCPUs keep are good until they have seen the request (run.c) --- */

static void map_changed(RhSpaceListener *listener)
{
    RhTcg *tcg = RH_CONTAINER(RhTcg, listener, listener);
    GPtrArray *vcpus = tcg->parent.obj.vm->vcpus;

    for (guint i = 0; i < vcpus->len; i++) {
        RhTcgCpu *cpu = rh_tcg_cpu(vcpus->pdata[i]);

        if (cpu) {
            rh_tcg_request(cpu, RH_TCG_FLUSH);
        }
    }
}

/* The guest's vector state goes in and out of the host's registers by XSAVE. */
static bool has_xsave(void)
{
    enum { OSXSAVE = 1 << 27 };
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & OSXSAVE);
}

static bool tcg_open(RhAccel *accel, GError **err)
{
    RhTcg *tcg = tcg_of(accel);

    if (!has_xsave()) {
        return rh_fail(err, "The host's CPU has no XSAVE, which the tcg accelerator needs");
    }
    rh_tcg_clock_begin(&tcg->clock);
    tcg->clock.stopped_tsc = tcg->clock.begin_tsc;      /* machines begin stopped */
    tcg->code_pages = rh_code_pages_new();
    rh_jit_catch_signals();
    tcg->listener = (RhSpaceListener){ .commit = map_changed };
    rh_space_listen(accel->obj.vm->memory, &tcg->listener);
    tcg->is_open = true;
    return true;
}

static void tcg_close(RhAccel *accel)
{
    RhTcg *tcg = tcg_of(accel);

    if (tcg->is_open) {
        rh_space_unlisten(accel->obj.vm->memory, &tcg->listener);
        rh_code_pages_free(tcg->code_pages);
        tcg->code_pages = NULL;
        tcg->is_open = false;
    }
}

static void tcg_fini(RhObject *obj)
{
    tcg_close((RhAccel *)obj);
}

static bool tcg_set_up_irqchip(RhAccel *accel, RhIrqchip kind, bool has_pit, GError **err)
{
    accel->irqchip = RH_IRQCHIP_OFF;
    return rh_device_create(accel->obj.vm, NULL, NULL, RH_TYPE_TCG_CLOCK, NULL, NULL, err);
}

static const RhCpuLimits *tcg_cpu_limits(RhAccel *accel)
{
    RhTcg *tcg = tcg_of(accel);

    if (!tcg->has_limits) {
        rh_tcg_fill_limits(&tcg->limits);
        tcg->has_limits = true;
    }
    return &tcg->limits;
}

/* As vcpu_run begins: pointers into guest memory are good for an RCU reader, from now on. */
static void tell_clock(RhVcpu *vcpu, void *unused)
{
    RhTcgCpu *cpu = rh_tcg_cpu(vcpu);

    rh_rcu_read_lock();
    rh_tlb_flush(cpu, false);
    rh_tcg_clock_tell(cpu);
    rh_rcu_read_unlock();
}

/* Guests see no time pass while the machine is stopped. vCPUs do not run now. */
static void tcg_set_clock_running(RhAccel *accel, bool is_running)
{
    RhTcgClock *clock = &tcg_of(accel)->clock;
    GPtrArray *vcpus = accel->obj.vm->vcpus;
    int64_t now = (int64_t)rh_tcg_host_tsc();
    int64_t stood = clock->stopped_tsc ? now - clock->stopped_tsc : 0;

    clock->stopped_tsc = is_running ? 0 : now;
    if (!is_running) {
        return;
    }
    clock->zero_tsc += stood;
    for (guint i = 0; i < vcpus->len; i++) {
        RhTcgCpu *cpu = rh_tcg_cpu(vcpus->pdata[i]);

        if (cpu) {
            rh_tcg_set_tsc_offset(cpu, cpu->tsc_offset - stood);
            if (accel->tsc_moved) {
                accel->tsc_moved(vcpus->pdata[i]);      /* it may have been loaded since */
            }
            if (clock->is_loaded) {
                rh_vcpu_run_on(vcpus->pdata[i], tell_clock, NULL);
            }
        }
    }
    clock->is_loaded = false;
}

static int64_t tcg_tsc_wait(RhVcpu *vcpu, uint64_t tsc)
{
    RhTcgCpu *cpu = rh_tcg_cpu(vcpu);

    return cpu ? rh_tcg_clock_wait(cpu, tsc) : 0;
}

/* --- vCPUs --- */

#define DEFAULT_TB_SIZE (UINT64_C(256) << 20)
#define MIN_TB_SIZE (UINT64_C(1) << 20)

/* One vCPU's share of tb-size */
static uint64_t code_size(RhTcg *tcg)
{
    const RhMachine *machine = rh_machine_of(tcg->parent.obj.vm);
    uint64_t size = tcg->tb_size ? tcg->tb_size << 20 : DEFAULT_TB_SIZE;

    return MAX(size / (machine ? MAX(machine->smp.max_cpus, 1) : 1), MIN_TB_SIZE);
}

static bool start_translator(RhTcg *tcg, RhTcgCpu *cpu, GError **err)
{
    cpu->jit = rh_jit_new(cpu, code_size(tcg), err);
    return cpu->jit;
}

static bool tcg_vcpu_init(RhVcpu *vcpu, GError **err)
{
    RhTcgCpu *cpu = rh_tcg_cpu_new(vcpu->vm, vcpu, err);

    if (!cpu) {
        return false;
    }
    cpu->tcg = tcg_of(vcpu->vm->accel);
    cpu->clock = &cpu->tcg->clock;
    if (!rh_tcg_vector_init(cpu, err)) {
        rh_tcg_cpu_free(cpu);
        return false;
    }
    if (cpu->tcg->translate && !start_translator(cpu->tcg, cpu, err)) {
        rh_tcg_cpu_free(cpu);
        return false;
    }
    rh_jit_set_current(cpu);
    __atomic_store_n((RhTcgCpu **)&vcpu->accel, cpu, __ATOMIC_RELEASE);
    return true;
}

static void tcg_vcpu_fini(RhVcpu *vcpu)
{
    RhTcgCpu *cpu = rh_tcg_cpu(vcpu);

    /* Others may be about to kick it: they hold the machine lock, or are readers. */
    __atomic_store_n((RhTcgCpu **)&vcpu->accel, NULL, __ATOMIC_RELEASE);
    rh_jit_set_current(NULL);
    rh_jit_free(cpu->jit);
    cpu->jit = NULL;
    rh_rcu_call((void (*)(void *))rh_tcg_cpu_free, cpu);
}

static void tcg_vcpu_kick(RhVcpu *vcpu)
{
    RhTcgCpu *cpu;

    rh_rcu_read_lock();
    cpu = rh_tcg_cpu(vcpu);
    if (cpu) {
        rh_tcg_request(cpu, RH_TCG_KICK);
    }
    rh_rcu_read_unlock();
}

static bool tcg_vcpu_fetch(RhVcpu *vcpu, GError **err)
{
    rh_tcg_to_state(rh_tcg_cpu(vcpu), &rh_x86_vcpu(vcpu)->state);
    return true;
}

static bool tcg_vcpu_store(RhVcpu *vcpu, bool is_reset, GError **err)
{
    RhTcgCpu *cpu = rh_tcg_cpu(vcpu);

    rh_tcg_from_state(cpu, &rh_x86_vcpu(vcpu)->state);
    if (is_reset) {     /* guests compare the counters of their CPUs: all run from one zero, whenever each was reset */
        rh_tcg_set_tsc_offset(cpu, -cpu->clock->zero_tsc);
    }
    return true;
}

static void tcg_vcpu_interrupt(RhVcpu *vcpu, int request, int level)
{
    static const uint32_t bits[] = {
        [RH_CPU_INTR] = RH_TCG_INTR, [RH_CPU_NMI] = RH_TCG_NMI, [RH_CPU_SMI] = RH_TCG_SMI, [RH_CPU_INIT] = RH_TCG_INIT,
    };
    RhTcgCpu *cpu = rh_tcg_cpu(vcpu);

    if (!cpu) {
        return;
    }
    if (request == RH_CPU_TPR) {
        cpu->cr8 = (uint64_t)level;
    } else if (!level) {
        __atomic_fetch_and(&cpu->requests, ~bits[request], __ATOMIC_SEQ_CST);
    } else {
        rh_tcg_request(cpu, bits[request]);
        /* Its own thread looks at attention before the next instruction. */
        if (rh_vcpu_current() != vcpu) {
            rh_vcpu_kick(vcpu);
        }
    }
}

/* What other engines offer under this name and here is always, or never, so. */
static bool refuse_single(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    const char *text = json_object_get_string(value);

    return g_strcmp0(text, "multi") == 0 ||
           rh_fail(err, "Property 'tcg-accel.thread' does not support '%s', must be 'multi'", text);
}

static json_object *get_multi(RhObject *obj, const RhProp *prop)
{
    return json_object_new_string("multi");
}

static const RhProp tcg_props[] = {
    RH_PROP("tb-size", RhTcg, tb_size, .max = 1024,
            .doc = "memory for translated code of all vCPUs, in MiB; 0: 256; each has 1 at least"),
    RH_PROP("exact-flags", RhTcg, exact_flags, .doc = "keep status flags exact at faults even where nothing can read them"),
    RH_PROP("x-translate", RhTcg, translate, .def = true, .doc = "off: interpret everything"),
    RH_PROP_COMPUTED("thread", .get = get_multi, .set = refuse_single, .doc = "one host thread a vCPU: multi"),
};

RH_ACCEL(RhTcg,
    .name              = RH_TYPE_TCG_ACCEL,
    .doc               = "the engine of our own, for hosts without KVM",
    .props             = RH_TABLE(tcg_props),
    .fini              = tcg_fini,
    .open              = tcg_open,
    .close             = tcg_close,
    .set_up_irqchip    = tcg_set_up_irqchip,
    .vcpu_init         = tcg_vcpu_init,
    .vcpu_fini         = tcg_vcpu_fini,
    .vcpu_run          = rh_tcg_vcpu_run,
    .vcpu_kick         = tcg_vcpu_kick,
    .vcpu_fetch        = tcg_vcpu_fetch,
    .vcpu_store        = tcg_vcpu_store,
    .vcpu_interrupt    = tcg_vcpu_interrupt,
    .cpu_limits        = tcg_cpu_limits,
    .tsc_wait          = tcg_tsc_wait,
    .set_clock_running = tcg_set_clock_running,
    .ram_written       = rh_code_written_by_device,
    .has_smm           = true,
    .runs_guest        = true);
