/*
 * The whole state of a vCPU out of one VM and into another: the guest goes on as if nothing had
 * happened, and what is read back is what was written.
 */
#include "kvm-guest.h"

/* Sums 1..40000 in eax, with a stop after 20000; then writes the sum to memory and halts. */
static const uint8_t summer[] = {
    0x66, 0x31, 0xc0, 0x66, 0x31, 0xc9,             /* xor eax, eax; xor ecx, ecx */
    0x66, 0x41, 0x66, 0x01, 0xc8,                   /* again: inc ecx; add eax, ecx */
    0x66, 0x81, 0xf9, 0x20, 0x4e, 0x00, 0x00,       /* cmp ecx, 20000 */
    0x75, 0x04, 0xba, 0xf0, 0x05, 0xee,             /* jne next; mov dx, 0x5f0; out dx, al */
    0x66, 0x81, 0xf9, 0x40, 0x9c, 0x00, 0x00,       /* next: cmp ecx, 40000 */
    0x75, 0xe5,                                     /* jne again */
    0x66, 0xa3, 0x00, 0x30,                         /* mov [0x3000], eax */
    0xba, 0xf0, 0x05, 0xee, 0xeb, 0xfe,             /* mov dx, 0x5f0; out dx, al; jmp . */
};
enum { SUM = 40000u * 40001u / 2 };

static void decorate(RhX86State *state)
{
    for (unsigned i = RH_R8; i <= RH_R15; i++) {
        state->gpr[i] = UINT64_C(0x0101010101010101) * i;
    }
    for (unsigned i = 0; i < 256; i++) {
        state->xsave[160 + i] = (uint8_t)(i ^ 0x5a);        /* xmm0 to xmm15 */
    }
    state->seg[RH_FS].base = 0x12340;
    state->seg[RH_FS].selector = 0x1234;
    state->gdt = (RhX86Table){ .base = 0x7000, .limit = 0x37 };
    state->cr2 = 0xdead000;
    state->dr[0] = 0x11110000;
    state->dr[3] = 0x33330000;
    state->sysenter_cs = 8;
    state->sysenter_esp = 0x9000;
    state->sysenter_eip = 0xa000;
    state->star = UINT64_C(0x0023001000000000);
    state->lstar = 0xfffffffff0000000;
    state->sfmask = 0x700;
    state->kernel_gs_base = 0x55550000;
    state->pat = UINT64_C(0x0007010600070106);
    rh_st32(state->lapic + 0xf0, 0x1ff);
    rh_st32(state->lapic + 0x80, 0x20);                     /* task priority */
    rh_st32(state->lapic + 0x320, 0x100f1);                 /* timer: masked, vector 0xf1 */
    state->cr8 = 2;
}

static void compare_msrs(const RhX86State *a, const RhX86State *b)
{
    g_assert_cmpuint(a->nr_msrs, ==, b->nr_msrs);
    for (uint32_t i = 0; i < a->nr_msrs; i++) {
        g_assert_cmphex(a->msrs[i].index, ==, b->msrs[i].index);
        g_assert_cmphex(a->msrs[i].value, ==, b->msrs[i].value);
    }
}

static void compare(const RhX86State *a, const RhX86State *b)
{
    g_assert_cmpmem(a->gpr, sizeof(a->gpr), b->gpr, sizeof(b->gpr));
    g_assert_cmphex(a->rip, ==, b->rip);
    g_assert_cmphex(a->rflags, ==, b->rflags);
    for (unsigned i = 0; i < RH_NR_SEG; i++) {
        g_assert_cmphex(a->seg[i].base, ==, b->seg[i].base);
        g_assert_cmphex(a->seg[i].limit, ==, b->seg[i].limit);
        g_assert_cmphex(a->seg[i].access, ==, b->seg[i].access);
        g_assert_cmphex(a->seg[i].selector, ==, b->seg[i].selector);
    }
    g_assert_cmphex(a->gdt.base, ==, b->gdt.base);
    g_assert_cmphex(a->gdt.limit, ==, b->gdt.limit);
    g_assert_cmphex(a->idt.base, ==, b->idt.base);
    g_assert_cmphex(a->cr0, ==, b->cr0);
    g_assert_cmphex(a->cr2, ==, b->cr2);
    g_assert_cmphex(a->cr3, ==, b->cr3);
    g_assert_cmphex(a->cr4, ==, b->cr4);
    g_assert_cmphex(a->cr8, ==, b->cr8);
    g_assert_cmphex(a->efer, ==, b->efer);
    g_assert_cmphex(a->apic_base, ==, b->apic_base);
    g_assert_cmphex(a->xcr0, ==, b->xcr0);
    g_assert_cmpmem(a->dr, sizeof(a->dr), b->dr, sizeof(b->dr));
    g_assert_cmphex(a->dr6, ==, b->dr6);
    g_assert_cmphex(a->dr7, ==, b->dr7);
    g_assert_cmphex(a->star, ==, b->star);
    g_assert_cmphex(a->lstar, ==, b->lstar);
    g_assert_cmphex(a->sfmask, ==, b->sfmask);
    g_assert_cmphex(a->kernel_gs_base, ==, b->kernel_gs_base);
    g_assert_cmphex(a->sysenter_cs, ==, b->sysenter_cs);
    g_assert_cmphex(a->sysenter_esp, ==, b->sysenter_esp);
    g_assert_cmphex(a->sysenter_eip, ==, b->sysenter_eip);
    g_assert_cmphex(a->pat, ==, b->pat);
    g_assert_cmphex(a->misc_enable, ==, b->misc_enable);
    g_assert_cmpint(a->mp_state, ==, b->mp_state);
    g_assert_cmpint(a->events.nmi_masked, ==, b->events.nmi_masked);
    g_assert_cmpint(a->events.interrupt_shadow, ==, b->events.interrupt_shadow);
    g_assert_cmpmem(a->xsave, sizeof(a->xsave), b->xsave, sizeof(b->xsave));
    g_assert_cmpmem(a->lapic, sizeof(a->lapic), b->lapic, sizeof(b->lapic));
    compare_msrs(a, b);
}

static void test_round_trip(void)
{
    g_autofree RhX86State *saved = g_new0(RhX86State, 1);
    g_autofree uint8_t *memory = NULL;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = guest_new(RH_IRQCHIP_ON, summer, sizeof(summer));
    decorate(&guest->cpu.state);
    guest_store(guest);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    guest_fetch(guest);
    *saved = guest->cpu.state;
    memory = g_memdup2(guest->ram->host, GUEST_RAM_SIZE);
    g_assert_cmpuint((uint32_t)saved->gpr[RH_RAX], ==, 20000u * 20001u / 2);
    g_assert_cmphex(saved->gpr[RH_R15], ==, UINT64_C(0x0f0f0f0f0f0f0f0f));
    g_assert_cmphex(saved->xsave[160], ==, 0x5a);
    g_assert_cmphex(saved->lstar, ==, 0xfffffffff0000000);
    g_assert_cmphex(saved->kernel_gs_base, ==, 0x55550000);
    g_assert_cmphex(saved->dr[3], ==, 0x33330000);
    g_assert_cmphex(rh_ld32(saved->lapic + 0x80), ==, 0x20);
    g_assert_true(saved->has_lapic);
    g_assert_cmpuint(saved->nr_msrs, >, 0);
    guest_free(guest);

    guest = guest_new(RH_IRQCHIP_ON, summer, sizeof(summer));
    memcpy(guest->ram->host, memory, GUEST_RAM_SIZE);
    guest->cpu.state = *saved;
    guest_store(guest);
    memset(&guest->cpu.state, 0xee, sizeof(guest->cpu.state));
    guest_fetch(guest);
    compare(saved, &guest->cpu.state);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmpuint(rh_ld32(guest->ram->host + 0x3000), ==, SUM);
    guest_free(guest);
}

/* A reset takes back what the guest did, in MSRs without a field as well. */
static void test_reset(void)
{
    enum { MTRR_DEF_TYPE = 0x2ff };
    g_autofree RhX86State *fresh = g_new0(RhX86State, 1);
    g_autoptr(GError) error = NULL;
    RhX86State *state;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = guest_new(RH_IRQCHIP_ON, summer, sizeof(summer));
    state = &guest->cpu.state;
    guest_fetch(guest);
    *fresh = *state;
    g_assert_nonnull(rh_x86_msr(state, MTRR_DEF_TYPE));
    g_assert_true(rh_x86_set_msr(state, MTRR_DEF_TYPE, 0xc06));
    decorate(state);
    state->apic_base |= RH_APIC_BASE_X2APIC;
    guest_store(guest);
    guest_fetch(guest);
    g_assert_true(state->apic_base & RH_APIC_BASE_X2APIC);
    g_assert_cmphex(rh_x86_msr(state, MTRR_DEF_TYPE)->value, ==, 0xc06);

    *state = rh_x86_state_at_reset;
    rh_x86_state_set_apic(state, 0, true);
    guest_ops(guest)->vcpu_store(&guest->cpu.vcpu, true, &error);
    g_assert_no_error(error);
    guest_fetch(guest);
    g_assert_cmphex(state->rip, ==, 0xfff0);
    g_assert_cmphex(state->seg[RH_CS].base, ==, 0xffff0000);
    g_assert_cmphex(state->lstar, ==, 0);
    g_assert_cmphex(state->apic_base, ==, fresh->apic_base);
    g_assert_cmphex(rh_ld32(state->lapic + 0xf0), ==, 0xff);
    g_assert_cmphex(state->misc_enable, ==, fresh->misc_enable);
    compare_msrs(fresh, state);
    guest_free(guest);
}

/* A vCPU that waits for INIT and SIPI stays so. */
static void test_waiting(void)
{
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = guest_new(RH_IRQCHIP_ON, summer, sizeof(summer));
    rh_x86_state_set_apic(&guest->cpu.state, 0, false);
    guest_store(guest);
    guest_fetch(guest);
    g_assert_cmpuint(guest->cpu.state.mp_state, ==, RH_MP_UNINITIALIZED);
    g_assert_false(guest->cpu.state.apic_base & RH_APIC_BASE_BSP);
    guest_free(guest);
}

static void test_refused(void)
{
    g_autoptr(GError) error = NULL;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = guest_new(RH_IRQCHIP_ON, summer, sizeof(summer));
    g_assert_true(rh_x86_set_msr(&guest->cpu.state, 0x4badbeef, 1));
    g_assert_false(guest_ops(guest)->vcpu_store(&guest->cpu.vcpu, false, &error));
    g_assert_cmpstr(error->message, ==, "KVM refuses the value 0x1 for MSR 0x4badbeef of vCPU 0");
    guest_free(guest);
}

/* What a stream says of guests' guests: its size must be true, and the host must know of such things. */
static void test_nested(void)
{
    g_autoptr(GError) error = NULL;
    RhX86State *state;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = guest_new(RH_IRQCHIP_ON, summer, sizeof(summer));
    state = &guest->cpu.state;
    guest_fetch(guest);
    g_assert_cmpuint(state->nested_size, ==, 0);        /* a guest that is no hypervisor */
    state->nested_size = sizeof(struct kvm_nested_state);
    memset(state->nested, 0xff, state->nested_size);
    g_assert_false(guest_ops(guest)->vcpu_store(&guest->cpu.vcpu, false, &error));
    g_assert_cmpstr(error->message, ==,
                    "Nested virtualisation state of vCPU 0 has 128 bytes and says 4294967295");
    g_clear_error(&error);
    memset(state->nested, 0, state->nested_size);
    rh_st32(state->nested + offsetof(struct kvm_nested_state, size), state->nested_size);
    if (!rh_kvm_cap(guest->kvm, KVM_CAP_NESTED_STATE)) {
        g_assert_false(guest_ops(guest)->vcpu_store(&guest->cpu.vcpu, false, &error));
        g_assert_true(g_str_has_suffix(error->message, "the host's KVM lacks KVM_CAP_NESTED_STATE"));
    }
    guest_free(guest);
}

/* A second vCPU of that id; true if it was made, and then its state went through KVM and back. */
static bool try_apic_id(Guest *guest, uint32_t id, GError **err)
{
    RhX86Vcpu *cpu = g_new0(RhX86Vcpu, 1);
    bool is_made;

    cpu->vcpu = (RhVcpu){ .vm = guest->vm, .index = 1, .arch_id = id, .thread = pthread_self() };
    cpu->state = rh_x86_state_at_reset;
    rh_x86_state_set_apic(&cpu->state, id, false);
    is_made = guest_ops(guest)->vcpu_init(&cpu->vcpu, err);
    if (is_made) {
        g_assert_true(guest_ops(guest)->vcpu_store(&cpu->vcpu, true, err));
        cpu->state.apic_base |= RH_APIC_BASE_X2APIC;
        rh_st32(cpu->state.lapic + 0x20, id);
        g_assert_true(guest_ops(guest)->vcpu_store(&cpu->vcpu, false, err));
        g_assert_true(guest_ops(guest)->vcpu_fetch(&cpu->vcpu, err));
        g_assert_cmpuint(rh_ld32(cpu->state.lapic + 0x20), ==, id);
        guest_ops(guest)->vcpu_fini(&cpu->vcpu);
    }
    g_free(cpu);
    return is_made;
}

static void test_large_id(void)
{
    g_autoptr(GError) error = NULL;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = guest_new(RH_IRQCHIP_OFF, summer, sizeof(summer));
    g_assert_false(try_apic_id(guest, 255, &error));
    g_assert_cmpstr(error->message, ==, "APIC id 255 of vCPU 1 is too large: with kernel-irqchip=off it must be below 255");
    g_clear_error(&error);
    g_assert_true(try_apic_id(guest, 254, &error));
    guest_free(guest);
    guest = guest_new(RH_IRQCHIP_SPLIT, summer, sizeof(summer));
    if (rh_kvm_cap(guest->kvm, KVM_CAP_X2APIC_API)) {
        g_assert_true(try_apic_id(guest, 300, &error));
    } else {
        g_assert_false(try_apic_id(guest, 300, &error));
        g_assert_nonnull(strstr(error->message, "KVM_CAP_X2APIC_API"));
    }
    guest_free(guest);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/state/round-trip", test_round_trip);
    g_test_add_func("/kvm/state/reset", test_reset);
    g_test_add_func("/kvm/state/waiting", test_waiting);
    g_test_add_func("/kvm/state/nested", test_nested);
    g_test_add_func("/kvm/state/large-id", test_large_id);
    g_test_add_func("/kvm/state/refused", test_refused);
    return g_test_run();
}
