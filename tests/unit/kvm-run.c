/*
 * The KVM accelerator with real guests of a few instructions: exits, memory slots, kicks, coalesced
 * writes, doorbells, and what it says when it cannot go on.
 */
#include "kvm-guest.h"

enum { LOST_S = 30 };       /* what did not come after so many seconds is lost */

#define NEW_GUEST(irqchip, code) guest_new(irqchip, code, sizeof(code))

static void check_access(const GuestAccess *got, char bus, bool is_write, unsigned size,
                         uint64_t at, uint64_t value)
{
    g_assert_cmpint(got->bus, ==, bus);
    g_assert_cmpint(got->is_write, ==, is_write);
    g_assert_cmpuint(got->size, ==, size);
    g_assert_cmphex(got->at, ==, at);
    g_assert_cmphex(got->value, ==, value);
}

static void test_exits(void)
{
    static const uint8_t code[] = {
        0xba, 0x04, 0x05,                               /* mov dx, 0x504 */
        0xb0, 0x5a, 0xee,                               /* mov al, 0x5a; out dx, al */
        0x66, 0xed,                                     /* in eax, dx */
        0x66, 0xa3, 0x00, 0x30,                         /* mov [0x3000], eax */
        0xb8, 0x00, 0xa0, 0x8e, 0xc0,                   /* mov ax, 0xa000; mov es, ax */
        0x26, 0xc7, 0x06, 0x08, 0x00, 0x34, 0x12,       /* mov word es:[8], 0x1234 */
        0x26, 0x66, 0xa1, 0x10, 0x00,                   /* mov eax, es:[0x10] */
        0x66, 0xa3, 0x04, 0x30,                         /* mov [0x3004], eax */
        0xf4,                                           /* hlt */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    guest->answer = 0x89abcdef;
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_cmpuint(guest->nr_log, ==, 4);
    check_access(&guest->log[0], 'p', true, 1, 4, 0x5a);
    check_access(&guest->log[1], 'p', false, 4, 4, 0x89abcdef);
    check_access(&guest->log[2], 'm', true, 2, 8, 0x1234);
    check_access(&guest->log[3], 'm', false, 4, 0x10, 0x89abcdef);
    g_assert_cmphex(rh_ld32(guest->ram->host + 0x3000), ==, 0x89abcdef);
    g_assert_cmphex(rh_ld32(guest->ram->host + 0x3004), ==, 0x89abcdef);
    guest_free(guest);
}

/* Nothing decodes there: reads give ones, writes vanish. */
static void test_nowhere(void)
{
    static const uint8_t code[] = {
        0xba, 0x00, 0x07, 0x66, 0xed,                   /* mov dx, 0x700; in eax, dx */
        0x66, 0xef,                                     /* out dx, eax */
        0x66, 0xa3, 0x00, 0x30, 0xf4,                   /* mov [0x3000], eax; hlt */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_cmphex(rh_ld32(guest->ram->host + 0x3000), ==, 0xffffffff);
    g_assert_cmpuint(guest->nr_log, ==, 0);
    guest_free(guest);
}

static void test_string_io(void)
{
    static const uint8_t code[] = {
        0xfc, 0xbe, 0x00, 0x30, 0xb9, 0x05, 0x00,       /* cld; mov si, 0x3000; mov cx, 5 */
        0xba, 0x00, 0x05, 0xf3, 0x6e,                   /* mov dx, 0x500; rep outsb */
        0xbf, 0x00, 0x40, 0xb9, 0x03, 0x00,             /* mov di, 0x4000; mov cx, 3 */
        0xf3, 0x6d, 0xf4,                               /* rep insw; hlt */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    guest->answer = 0xbeef;
    memcpy(guest->ram->host + 0x3000, "rhea!", 5);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    for (unsigned i = 0; i < 5; i++) {
        check_access(&guest->log[i], 'p', true, 1, 0, (uint8_t)"rhea!"[i]);
    }
    /* KVM may read ahead for rep ins, but the guest gets what it asked for, and not more. */
    g_assert_cmpuint(guest->nr_log, >=, 8);
    g_assert_cmphex(rh_ld64(guest->ram->host + 0x4000), ==, 0xbeefbeefbeef);
    guest_free(guest);
}

/* Protected mode without an interrupt table: an exception has nowhere to go, nor has the fault that
 * follows. */
static void check_triple_fault(const uint8_t *code, size_t len)
{
    Guest *guest = guest_new(RH_IRQCHIP_OFF, code, len);
    RhX86State *state = &guest->cpu.state;

    state->cr0 |= RH_CR0_PE;
    state->idt.limit = 0;
    state->seg[RH_CS] =
        (RhX86Segment){ .selector = 8,
                        .limit = UINT32_MAX,
                        .access = RH_SEG_P | RH_SEG_S | RH_SEG_DB | RH_SEG_G | 0xb };
    guest_store(guest);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_RESET);
    guest_free(guest);
}

static void test_triple_fault(void)
{
    static const uint8_t ud2[] = { 0x0f, 0x0b };
    static const uint8_t int3[] = { 0xcc };

    if (!guest_have_kvm()) {
        return;
    }
    check_triple_fault(ud2, sizeof(ud2));
    check_triple_fault(int3, sizeof(int3));
}

static void test_rom(void)
{
    static const uint8_t code[] = {
        0xb8, 0x00, 0xc0, 0x8e, 0xc0,                   /* mov ax, 0xc000; mov es, ax */
        0x26, 0xc6, 0x06, 0x00, 0x00, 0x99,             /* mov byte es:[0], 0x99 */
        0x26, 0xa0, 0x00, 0x00, 0xa2, 0x00, 0x30, 0xf4, /* mov al, es:[0]; mov [0x3000], al; hlt */
    };
    Guest *guest;
    RhRegion rom;
    RhRam *memory;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    memory = rh_ram_new("rom", 0x2000, NULL, NULL);
    memory->host[0] = 0x42;
    rh_lock(&guest->vm->lock);
    g_assert_cmpuint(rh_kvm_memory_nr_slots(guest->kvm), ==, 1);
    rh_region_init_ram(&rom, guest->vm, "rom", memory, 0, 0x2000, true);
    rh_region_add(rh_space_root(guest->vm->memory), 0xc0000, &rom);
    g_assert_cmpuint(rh_kvm_memory_nr_slots(guest->kvm), ==, 2);
    rh_unlock(&guest->vm->lock);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_cmphex(guest->ram->host[0x3000], ==, 0x42);
    g_assert_cmphex(memory->host[0], ==, 0x42);
    rh_lock(&guest->vm->lock);
    rh_region_fini(&rom);
    g_assert_cmpuint(rh_kvm_memory_nr_slots(guest->kvm), ==, 1);
    rh_unlock(&guest->vm->lock);
    rh_ram_unref(memory);
    guest_free(guest);
}

/* Writes put off by KVM come before the exit that follows them, in their order. */
static void test_coalesced(void)
{
    static const uint8_t code[] = {
        0xb8, 0x00, 0xa0, 0x8e, 0xc0, 0xb0, 0x01,       /* mov ax, 0xa000; mov es, ax; mov al, 1 */
        0x26, 0xa2, 0x00, 0x00, 0xfe, 0xc0,             /* again: mov es:[0], al; inc al */
        0x3c, 0x09, 0x75, 0xf6,                         /* cmp al, 9; jne again */
        0xba, 0x00, 0x05, 0xee, 0xf4,                   /* mov dx, 0x500; out dx, al; hlt */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    rh_lock(&guest->vm->lock);
    rh_region_coalesce(&guest->mmio, 0, 16);
    rh_unlock(&guest->vm->lock);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_cmpuint(guest->nr_log, ==, 9);
    for (unsigned i = 0; i < 8; i++) {
        check_access(&guest->log[i], 'm', true, 1, 0, i + 1);
    }
    check_access(&guest->log[8], 'p', true, 1, 0, 9);
    guest_free(guest);
}

static void test_doorbells(void)
{
    static const uint8_t code[] = {
        0xba, 0x10, 0x05, 0xb0, 0x07, 0xee,       /* mov dx, 0x510; mov al, 7; out dx, al */
        0xb0, 0x08, 0xee,                         /* mov al, 8; out dx, al: matches no doorbell */
        0xb8, 0x00, 0xa0, 0x8e, 0xc0,             /* mov ax, 0xa000; mov es, ax */
        0x26, 0xc7, 0x06, 0x20, 0x00, 0x01, 0x00, /* mov word es:[0x20], 1 */
        0xf4,
    };
    RhEvent port_event = { 0 };
    RhEvent memory_event = { 0 };
    RhIoEvent port_bell = {
        .at = 0x10, .size = 1, .has_match = true, .match = 7, .event = &port_event
    };
    RhIoEvent memory_bell = { .at = 0x20, .size = 0, .event = &memory_event };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    rh_event_init(&port_event, NULL);
    rh_event_init(&memory_event, NULL);
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    rh_lock(&guest->vm->lock);
    rh_region_add_io_event(&guest->ports, &port_bell);
    rh_region_add_io_event(&guest->mmio, &memory_bell);
    rh_unlock(&guest->vm->lock);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_true(rh_event_clear(&port_event));
    g_assert_true(rh_event_clear(&memory_event));
    g_assert_cmpuint(guest->nr_log, ==, 1);
    check_access(&guest->log[0], 'p', true, 1, 0x10, 8);

    /* Taken away, the same writes reach the device. */
    rh_lock(&guest->vm->lock);
    rh_region_remove_io_event(&guest->ports, &port_bell);
    rh_region_remove_io_event(&guest->mmio, &memory_bell);
    rh_unlock(&guest->vm->lock);
    guest->cpu.state.mp_state = RH_MP_RUNNABLE;
    guest_store(guest);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_false(rh_event_clear(&port_event));
    g_assert_false(rh_event_clear(&memory_event));
    g_assert_cmpuint(guest->nr_log, ==, 4);
    check_access(&guest->log[1], 'p', true, 1, 0x10, 7);
    check_access(&guest->log[3], 'm', true, 2, 0x20, 1);
    guest_free(guest);
    rh_event_fini(&port_event);
    rh_event_fini(&memory_event);
}

/* --- threads --- */

typedef struct Runner {
    Guest *guest;
    pthread_t thread;
    bool is_ready, must_end;    /* atomic */
    unsigned nr_returns;        /* atomic */
    RhRunResult result;
} Runner;

static void *runner(void *opaque)
{
    Runner *self = opaque;
    RhVcpu *vcpu = &self->guest->cpu.vcpu;
    g_autoptr(GError) error = NULL;

    guest_ops(self->guest)->vcpu_fini(vcpu);
    guest_ops(self->guest)->vcpu_init(vcpu, &error);    /* again: signals are a thread's own */
    g_assert_no_error(error);
    guest_store(self->guest);
    __atomic_store_n(&self->is_ready, true, __ATOMIC_RELEASE);
    do {
        self->result = guest_ops(self->guest)->vcpu_run(vcpu);
        __atomic_fetch_add(&self->nr_returns, 1, __ATOMIC_SEQ_CST);
    } while (self->result == RH_RUN_AGAIN && !__atomic_load_n(&self->must_end, __ATOMIC_SEQ_CST));
    return NULL;
}

static void runner_begin(Runner *self, Guest *guest)
{
    *self = (Runner){ .guest = guest };
    self->thread = rh_thread_start("runner", runner, self);
    while (!__atomic_load_n(&self->is_ready, __ATOMIC_ACQUIRE)) {
        g_usleep(100);
    }
}

static void runner_end(Runner *self)
{
    __atomic_store_n(&self->must_end, true, __ATOMIC_SEQ_CST);
    guest_ops(self->guest)->vcpu_kick(&self->guest->cpu.vcpu);
    pthread_join(self->thread, NULL);
}

/* On a busy host a storm ends early: what counts is that each kick and each change is followed by what it must bring. */
static bool is_enough(unsigned done, unsigned wanted, gint64 began)
{
    return done >= wanted || g_get_monotonic_time() > began + 10 * G_USEC_PER_SEC;
}

/* Each kick must make vcpu_run return, at whatever moment it comes: a lost one would leave us
 * waiting. */
static void test_kick_storm(void)
{
    static const uint8_t code[] = {
        0xba, 0x00, 0x07, 0xec, 0xeb, 0xfd,         /* mov dx, 0x700; again: in al, dx; jmp again */
    };
    enum { KICKS = 3000 };
    gint64 began = g_get_monotonic_time();
    Guest *guest;
    Runner run;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_ON, code);
    runner_begin(&run, guest);
    for (unsigned i = 0; !is_enough(i, KICKS, began); i++) {
        unsigned before = __atomic_load_n(&run.nr_returns, __ATOMIC_SEQ_CST);
        gint64 deadline = g_get_monotonic_time() + LOST_S * G_USEC_PER_SEC;

        guest_ops(guest)->vcpu_kick(&guest->cpu.vcpu);
        while (__atomic_load_n(&run.nr_returns, __ATOMIC_SEQ_CST) == before) {
            g_assert_cmpint(g_get_monotonic_time(), <, deadline);
            g_thread_yield();
        }
    }
    runner_end(&run);
    g_assert_cmpint(run.result, ==, RH_RUN_AGAIN);
    guest_free(guest);
}

static uint32_t counter(const Guest *guest)
{
    return __atomic_load_n((const uint32_t *)(guest->ram->host + 0x3000), __ATOMIC_RELAXED);
}

static void wait_counting(const Guest *guest)
{
    gint64 deadline = g_get_monotonic_time() + LOST_S * G_USEC_PER_SEC;
    uint32_t before = counter(guest);

    while (counter(guest) == before) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_thread_yield();
    }
}

/* A vCPU that runs from RAM while its slot is taken apart and put together must not notice. */
static void test_remap(void)
{
    static const uint8_t code[] = {
        0x66, 0xff, 0x06, 0x00, 0x30, 0xeb, 0xf9,   /* again: inc dword [0x3000]; jmp again */
    };
    enum { CHANGES = 200 };
    gint64 began = g_get_monotonic_time();
    Guest *guest;
    RhRegion hole;
    Runner run;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_ON, code);
    rh_region_init_io(&hole, guest->vm, NULL, "hole", &(RhRegionOps){ 0 }, 0x1000);
    runner_begin(&run, guest);
    for (unsigned i = 0; !is_enough(i, CHANGES, began); i++) {
        wait_counting(guest);
        rh_lock(&guest->vm->lock);
        rh_region_add_over(rh_space_root(guest->vm->memory), 0x8000, &hole, 1);
        g_assert_cmpuint(rh_kvm_memory_nr_slots(guest->kvm), ==, 2);
        rh_region_remove(&hole);
        g_assert_cmpuint(rh_kvm_memory_nr_slots(guest->kvm), ==, 1);
        rh_unlock(&guest->vm->lock);
    }
    runner_end(&run);
    g_assert_cmpint(run.result, ==, RH_RUN_AGAIN);
    g_assert_cmpuint(guest->nr_log, ==, 0);
    rh_lock(&guest->vm->lock);
    rh_region_fini(&hole);
    rh_unlock(&guest->vm->lock);
    guest_free(guest);
}

/* --- explanations --- */

static void test_lacking(void)
{
    static const struct {
        const char *name, *flag;
        uint8_t insn[8];
    } cases[] = {
        { "fwait (x87)", NULL, { 0x9b } },
        { "cmpxchg16b", "cx16", { 0xf0, 0x48, 0x0f, 0xc7, 0x0e } },
        { "popcnt", "popcnt", { 0xf3, 0x48, 0x0f, 0xb8, 0xc7 } },
        { "crc32", "sse4.2", { 0xf2, 0x48, 0x0f, 0x38, 0xf1, 0xc7 } },
        { "xgetbv", "xsave", { 0x0f, 0x01, 0xd0 } },
        { "rdtscp", "rdtscp", { 0x0f, 0x01, 0xf9 } },
        { "stac", "smap", { 0x0f, 0x01, 0xcb } },
        { "invpcid", "invpcid", { 0x66, 0x0f, 0x38, 0x82, 0x07 } },
        { "xsave, xrstor or xsaveopt", "xsave", { 0x48, 0x0f, 0xae, 0x27 } },
        { "rdfsbase and kin", "fsgsbase", { 0xf3, 0x48, 0x0f, 0xae, 0xc0 } },
        { "an AVX or BMI instruction", "avx", { 0xc5, 0xf9, 0x6f, 0x07 } },
        { NULL, NULL, { 0x90 } },
        { NULL, NULL, { 0x0f, 0xc7, 0x0e | 0x30 } },    /* vmptrld: not one of those */
    };

    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        const char *flag;

        g_assert_cmpstr(rh_kvm_lacking_insn(cases[i].insn, sizeof(cases[i].insn), &flag), ==,
                        cases[i].name);
        g_assert_cmpstr(flag, ==, cases[i].flag);
    }
    for (size_t len = 0; len < 3; len++) {
        const char *flag;

        g_assert_null(rh_kvm_lacking_insn((const uint8_t[]){ 0x66, 0x66, 0x66 }, len, &flag));
    }
}

static void test_explained(void)
{
    static const uint8_t code[] = { 0xb8, 0x34, 0x12, 0x9b, 0xf4 }; /* mov ax, 0x1234; fwait; hlt */
    g_autofree char *text = NULL;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    if (guest_run(guest) == RH_RUN_FAILED) {
        text = rh_kvm_explain(rh_kvm_vcpu(&guest->cpu.vcpu));
        g_assert_nonnull(strstr(text, "an instruction could not be emulated"));
        g_assert_nonnull(strstr(text, "RAX=0000000000001234"));
        g_assert_nonnull(strstr(text, "instruction: 9b f4"));
        g_assert_nonnull(strstr(text, "fwait"));
    } else {
        g_test_skip("this KVM runs every instruction");
    }
    guest_free(guest);
}

static void test_no_device(void)
{
    g_autoptr(GError) error = NULL;
    RhVm *vm = rh_vm_new(NULL);
    RhKvm *kvm = (RhKvm *)rh_object_new(vm, RH_TYPE_KVM_ACCEL, NULL);

    rh_object_set_str(RH_OBJECT(kvm), "device", "/nonexistent/kvm", NULL);
    g_assert_false(rh_accel_type(&kvm->parent)->open(&kvm->parent, &error));
    g_assert_cmpstr(error->message, ==, "Could not access KVM: there is no /nonexistent/kvm");
    g_assert_nonnull(rh_error_hint(error));
    g_clear_error(&error);
    rh_object_set_str(RH_OBJECT(kvm), "device", "/dev/null", NULL);
    g_assert_false(rh_accel_type(&kvm->parent)->open(&kvm->parent, &error));
    g_assert_cmpstr(error->message, ==, "/dev/null is not KVM");
    rh_object_unref(RH_OBJECT(kvm));
    rh_vm_free(vm);
}

/* What is documented for -accel kvm and not there yet is refused by name, its default is not. */
static void test_properties(void)
{
    static const struct {
        const char *name, *value, *error;
    } cases[] = {
        { "kernel-irqchip", "split", NULL },
        { "notify-vmexit", "disable", NULL },
        { "notify-vmexit", "run", NULL },
        { "notify-vmexit", "internal-error", NULL },
        { "notify-vmexit", "maybe", "Property 'kvm-accel.notify-vmexit' does not accept value 'maybe', must be one of 'run', 'internal-error', 'disable'" },
        { "notify-window", "5", NULL },
        { "kvm-shadow-mem", "1M", NULL },
        { "honor-guest-pat", "on", "Property 'kvm-accel.honor-guest-pat' not found" },
        { "dirty-ring-size", "4096", NULL },
        { "dirty-ring-size", "3", "Property 'kvm-accel.dirty-ring-size' is 3, must be 0 or a power of two" },
        { "eager-split-size", "65536", "Property 'kvm-accel.eager-split-size' is not supported yet, must be 0" },
    };
    RhVm *vm = rh_vm_new(NULL);
    RhKvm *kvm = (RhKvm *)rh_object_new(vm, RH_TYPE_KVM_ACCEL, NULL);
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        g_clear_error(&error);
        g_assert_cmpint(rh_object_set_str(RH_OBJECT(kvm), cases[i].name, cases[i].value, &error),
                        ==, !cases[i].error);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i].error);
    }
    g_assert_cmpint(kvm->irqchip_asked, ==, RH_IRQCHIP_SPLIT);
    rh_object_unref(RH_OBJECT(kvm));
    rh_vm_free(vm);
}

/* The kernel sees the size, in pages: it wants 64 at least. */
static void check_shadow_mem(const char *size, const char *complaint)
{
    g_autoptr(GError) error = NULL;
    RhVm *vm = rh_vm_new(NULL);
    RhKvm *kvm = (RhKvm *)rh_object_new(vm, RH_TYPE_KVM_ACCEL, NULL);

    g_assert_true(rh_object_set_str(RH_OBJECT(kvm), "kvm-shadow-mem", size, NULL));
    rh_lock(&vm->lock);
    g_assert_cmpint(rh_accel_type(&kvm->parent)->open(&kvm->parent, &error), ==, !complaint);
    g_assert_cmpstr(error ? error->message : NULL, ==, complaint);
    rh_accel_type(&kvm->parent)->close(&kvm->parent);
    rh_unlock(&vm->lock);
    rh_object_unref(RH_OBJECT(kvm));
    rh_vm_free(vm);
}

static void test_shadow_mem(void)
{
    if (guest_have_kvm()) {
        check_shadow_mem("256K", NULL);
        check_shadow_mem("252K", "KVM does not take kvm-shadow-mem=258048: Invalid argument");
    }
}

/* What is made of a guest that blocks interrupts, as KVM would tell of it. */
static void test_notify(void)
{
    static const uint8_t code[] = { 0xf4 };
    g_autofree char *text = NULL;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    rh_kvm_vcpu(&guest->cpu.vcpu)->run->exit_reason = KVM_EXIT_NOTIFY;
    text = rh_kvm_explain(rh_kvm_vcpu(&guest->cpu.vcpu));
    g_assert_nonnull(strstr(text, "exit 37 (the guest let no interrupt in for longer than notify-window)"));
    guest_free(guest);
}

/* The reason and the advice reach whoever asked for an accelerator. */
static void test_accel_open(void)
{
    static const char *const names[] = { "kvm", NULL };
    g_autoptr(GError) error = NULL;
    RhVm *vm = rh_vm_new(NULL);

    rh_vm_add_global(vm, RH_TYPE_KVM_ACCEL, "device", "/nonexistent/kvm", false);
    g_assert_false(rh_accel_open(vm, names, NULL, &error));
    g_assert_cmpstr(error->message, ==, "Could not access KVM: there is no /nonexistent/kvm");
    g_assert_nonnull(rh_error_hint(error));
    rh_vm_free(vm);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/run/exits", test_exits);
    g_test_add_func("/kvm/run/nowhere", test_nowhere);
    g_test_add_func("/kvm/run/string-io", test_string_io);
    g_test_add_func("/kvm/run/triple-fault", test_triple_fault);
    g_test_add_func("/kvm/run/rom", test_rom);
    g_test_add_func("/kvm/run/coalesced", test_coalesced);
    g_test_add_func("/kvm/run/doorbells", test_doorbells);
    g_test_add_func("/kvm/run/kick-storm", test_kick_storm);
    g_test_add_func("/kvm/run/remap", test_remap);
    g_test_add_func("/kvm/explain/lacking", test_lacking);
    g_test_add_func("/kvm/explain/exit", test_explained);
    g_test_add_func("/kvm/open/no-device", test_no_device);
    g_test_add_func("/kvm/open/properties", test_properties);
    g_test_add_func("/kvm/open/shadow-mem", test_shadow_mem);
    g_test_add_func("/kvm/explain/notify", test_notify);
    g_test_add_func("/kvm/open/accel", test_accel_open);
    return g_test_run();
}
