/*
 * System management mode, as firmware: it moves SMBASE of two CPUs into SMRAM, closes and locks that, and holds what it knows of its handler
 * against what it sees from outside. Firmware form only, with -smp 2 and 64 MB. It says "SMM: STEP" before each step.
 *
 * The handler runs in 16-bit code with flat segments, but for DO_CALL: that goes to long mode. It does what its CPU's mailbox, in ordinary
 * memory, asks for, and leaves no register as it was.
 */
#include "micro.h"

#define MCH_SMRAM   0x8000009cu     /* SMRAM and ESMRAMC are bytes 1 and 2 */
#define LPC_PMBASE  (0x80000000u | 31 << 11 | 0x40)
#define LPC_CONTROL (0x80000000u | 31 << 11 | 0x44)
enum { SMRAM_OPEN = 0x4a, SMRAM_CLOSED = 0x0a, SMRAM_LOCKED = 0x1a, TSEG_1M = 0x01 };
enum { PM_BASE = 0x600, SMI_ENABLE = PM_BASE + 0x30, SMI_STATUS = PM_BASE + 0x34, PORT_APM = 0xb2, APM_BIT = 0x20 };
enum { DEFAULT_BASE = 0x30000, BASE_0 = 0xa0000, BASE_1 = 0xa1000, ENTRY = 0x8000, HANDLER_ROOM = 0xe00, SECRET_AT = ENTRY + 0xff0 };
enum { TSEG = 0x3f00000, REVISION = 0x20064, AP_PAGE = 0x7000, MAILBOXES = 0x5000 };
enum { DO_NOTHING, DO_RELOCATE, DO_READ, DO_WRITE, DO_NEST, DO_NMI, DO_CLEAR_HALT, DO_SPIN, DO_CALL };
enum { ICR_NMI = 0x4400, ICR_SMI = 0x4200, ICR_INIT = 0x4500, ICR_STARTUP = 0x4600 };

/* Where the handler looks is its code segment's middle digit: 0x3000 and 0xa000 lead to the first, 0xa100 to the second. */
typedef struct Mailbox {
    volatile uint32_t command, argument, entries, result, is_inside, nr_nested, revision, auto_halt, port;
} Mailbox;
#define AP_ROUNDS ((volatile uint32_t *)(uintptr_t)(MAILBOXES + 0x800))
#define MAILBOX(nr) ((Mailbox *)(uintptr_t)(MAILBOXES + (nr) * 0x100))

extern const uint8_t handler[], handler_end[], ap_start[], ap_end[];
extern uint64_t idt[], long_regs[16], protected_regs[8];
extern volatile uint32_t nr_nmi;
extern uint64_t long_flags, protected_flags;
void smi_long(void);
void smi_protected(void);
void nmi_entry(void);

__asm__(".text\n"
        ".code16\n"
        "handler:\n"
        "  mov %cs, %bx\n"
        "  and $0xf00, %bx\n"
        "  add $0x5000, %bx\n"
        "  incl 8(%bx)\n"
        "  mov 16(%bx), %eax\n"
        "  add %eax, 20(%bx)\n"
        "  movl $1, 16(%bx)\n"
        "  movl %cs:0xfefc, %eax\n"
        "  mov %eax, 24(%bx)\n"
        "  movzbl %cs:0xfec9, %eax\n"
        "  mov %eax, 28(%bx)\n"
        "  xor %eax, %eax\n"
        "  inb $0xb2, %al\n"
        "  mov %eax, 32(%bx)\n"
        "  mov 4(%bx), %esi\n"
        "  mov (%bx), %eax\n"
        "  movl $0, (%bx)\n"
        "  dec %eax\n"              /* DO_RELOCATE */
        "  jz 1f\n"
        "  dec %eax\n"
        "  jz 2f\n"
        "  dec %eax\n"
        "  jz 3f\n"
        "  dec %eax\n"
        "  jz 4f\n"
        "  dec %eax\n"
        "  jz 5f\n"
        "  dec %eax\n"
        "  jz 6f\n"
        "  dec %eax\n"
        "  jz 11f\n"
        "  dec %eax\n"
        "  jz 12f\n"
        "  jmp 9f\n"
        "11: cmpl $0, 12(%bx)\n"   /* DO_SPIN: until the result is given */
        "  je 11b\n"
        "  jmp 9f\n"
        "1: mov %esi, %cs:0xff00\n"
        "  jmp 9f\n"
        "2: addr32 mov (%esi), %eax\n"
        "  mov %eax, 12(%bx)\n"
        "  jmp 9f\n"
        "3: mov 12(%bx), %eax\n"
        "  addr32 mov %eax, (%esi)\n"
        "  jmp 9f\n"
        "4: mov $0x44, %al\n"       /* an SMI in the handler */
        "  outb %al, $0xb2\n"
        "  jmp 8f\n"
        "5: mov $0xfee00310, %edi\n"
        "  addr32 movl $0, (%edi)\n"
        "  addr32 movl $0x4400, -16(%edi)\n"    /* an NMI in the handler */
        "8: mov $1000, %ecx\n"
        "7: nop\n"
        "  dec %ecx\n"
        "  jnz 7b\n"
        "  addr32 mov (%esi), %eax\n"
        "  mov %eax, 12(%bx)\n"
        "  jmp 9f\n"
        "12: movzwl %bx, %ebx\n"   /* DO_CALL: by the tables of ordinary memory; RSM leads back out of any mode */
        "  addr32 lgdtl gdtr32\n"
        "  mov $0x20, %eax\n"
        "  mov %eax, %cr4\n"
        "  mov $pml4, %eax\n"
        "  mov %eax, %cr3\n"
        "  mov $0xc0000080, %ecx\n"
        "  xor %edx, %edx\n"
        "  mov $0x100, %eax\n"
        "  wrmsr\n"
        "  mov %cr0, %eax\n"
        "  or $0x80000001, %eax\n"
        "  mov %eax, %cr0\n"
        "  ljmpl $0x08, $long_handler\n"
        "6: movb $0, %cs:0xfec9\n"
        "9: movl $0, 16(%bx)\n"
        "  mov $0xdeadbeef, %eax\n"
        "  mov %eax, %ebx\n"
        "  mov %eax, %ecx\n"
        "  mov %eax, %edx\n"
        "  mov %eax, %esi\n"
        "  mov %eax, %edi\n"
        "  mov %eax, %ebp\n"
        "  mov %eax, %esp\n"
        "  mov %ax, %fs\n"
        "  mov %ax, %gs\n"
        "  rsm\n"
        "handler_end:\n"

        "ap_start:\n"               /* at AP_PAGE, real mode: a round for each time that a HLT ends */
        "  cli\n"
        "  xor %ax, %ax\n"
        "  mov %ax, %ds\n"
        "1: incl 0x5800\n"
        "  hlt\n"
        "  jmp 1b\n"
        "ap_end:\n"

        ".code64\n"
        "long_handler:\n"
        "  mov $0x10, %eax\n"
        "  mov %eax, %ss\n"
        "  mov %eax, %ds\n"
        "  mov $smm_stack_end, %esp\n"
        "  mov 4(%rbx), %eax\n"
        "  mov 12(%rbx), %edi\n"
        "  call *%rax\n"
        "  mov %eax, 12(%rbx)\n"
        "  movl $0, 16(%rbx)\n"
        "  mov $-1, %rbx\n"
        "  mov %rbx, %rbp\n"
        "  mov %rbx, %r12\n"
        "  mov %rbx, %r15\n"
        "  rsm\n"

        "nmi_entry:\n"
        "  incl nr_nmi(%rip)\n"
        "  iretq\n"

        /* Registers that no memory could stand for, an SMI, and what is in them then. */
        "smi_long:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "  mov %rsp, kept_rsp(%rip)\n"
        "  pushq $0x8d5\n"          /* OF SF ZF AF PF CF */
        "  popfq\n"
        "  movabs $0x0101010101010155, %rax\n"
        "  movabs $0x0202020202020202, %rcx\n"
        "  movabs $0x0303030303030303, %rdx\n"
        "  movabs $0x0404040404040404, %rbx\n"
        "  movabs $0x0505050505050505, %rsp\n"
        "  movabs $0x0606060606060606, %rbp\n"
        "  movabs $0x0707070707070707, %rsi\n"
        "  movabs $0x0808080808080808, %rdi\n"
        "  movabs $0x0909090909090909, %r8\n"
        "  movabs $0x0a0a0a0a0a0a0a0a, %r9\n"
        "  movabs $0x0b0b0b0b0b0b0b0b, %r10\n"
        "  movabs $0x0c0c0c0c0c0c0c0c, %r11\n"
        "  movabs $0x0d0d0d0d0d0d0d0d, %r12\n"
        "  movabs $0x0e0e0e0e0e0e0e0e, %r13\n"
        "  movabs $0x0f0f0f0f0f0f0f0f, %r14\n"
        "  movabs $0x1010101010101010, %r15\n"
        "  outb %al, $0xb2\n"
        "  mov %rax, long_regs(%rip)\n"
        "  mov %rcx, long_regs+8(%rip)\n"
        "  mov %rdx, long_regs+16(%rip)\n"
        "  mov %rbx, long_regs+24(%rip)\n"
        "  mov %rsp, long_regs+32(%rip)\n"
        "  mov %rbp, long_regs+40(%rip)\n"
        "  mov %rsi, long_regs+48(%rip)\n"
        "  mov %rdi, long_regs+56(%rip)\n"
        "  mov %r8, long_regs+64(%rip)\n"
        "  mov %r9, long_regs+72(%rip)\n"
        "  mov %r10, long_regs+80(%rip)\n"
        "  mov %r11, long_regs+88(%rip)\n"
        "  mov %r12, long_regs+96(%rip)\n"
        "  mov %r13, long_regs+104(%rip)\n"
        "  mov %r14, long_regs+112(%rip)\n"
        "  mov %r15, long_regs+120(%rip)\n"
        "  mov kept_rsp(%rip), %rsp\n"
        "  pushfq\n"
        "  pop long_flags(%rip)\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"

        /* The same in protected mode without paging: out of long mode, and back. */
        "smi_protected:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "  mov %rsp, kept_rsp(%rip)\n"
        "  sgdt kept_gdtr(%rip)\n"
        "  lgdt gdtr32(%rip)\n"
        "  pushq $0x18\n"
        "  pushq $1f\n"
        "  lretq\n"
        ".code32\n"
        "1: mov $0x10, %eax\n"
        "  mov %eax, %ds\n"
        "  mov %eax, %ss\n"
        "  mov %cr0, %eax\n"
        "  and $0x7fffffff, %eax\n"
        "  mov %eax, %cr0\n"
        "  mov $0xc0000080, %ecx\n"
        "  rdmsr\n"
        "  and $~0x100, %eax\n"
        "  wrmsr\n"
        "  pushl $0x8d5\n"
        "  popfl\n"
        "  mov $0x01010155, %eax\n"
        "  mov $0x02020202, %ecx\n"
        "  mov $0x03030303, %edx\n"
        "  mov $0x04040404, %ebx\n"
        "  mov $0x05050505, %esp\n"
        "  mov $0x06060606, %ebp\n"
        "  mov $0x07070707, %esi\n"
        "  mov $0x08080808, %edi\n"
        "  outb %al, $0xb2\n"
        "  mov %eax, protected_regs\n"
        "  mov %ecx, protected_regs+8\n"
        "  mov %edx, protected_regs+16\n"
        "  mov %ebx, protected_regs+24\n"
        "  mov %esp, protected_regs+32\n"
        "  mov %ebp, protected_regs+40\n"
        "  mov %esi, protected_regs+48\n"
        "  mov %edi, protected_regs+56\n"
        "  mov kept_rsp, %esp\n"
        "  pushfl\n"
        "  popl protected_flags\n"
        "  mov $0xc0000080, %ecx\n"
        "  rdmsr\n"
        "  or $0x100, %eax\n"
        "  wrmsr\n"
        "  mov %cr0, %eax\n"
        "  or $0x80000000, %eax\n"
        "  mov %eax, %cr0\n"
        "  ljmp $0x08, $2f\n"
        ".code64\n"
        "2: lgdt kept_gdtr(%rip)\n"
        "  mov kept_rsp(%rip), %rsp\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"

        ".data\n"
        ".balign 8\n"
        "gdt32: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff\n"
        "gdtr32: .word 31\n"
        ".quad gdt32\n"
        "kept_gdtr: .skip 10\n"
        ".balign 8\n"
        "kept_rsp: .quad 0\n"
        "long_flags: .quad 0\n"
        "protected_flags: .quad 0\n"
        "nr_nmi: .long 0\n"
        "long_regs: .skip 128\n"
        "protected_regs: .skip 64\n"
        ".bss\n"
        ".balign 16\n"
        ".skip 4096\n"
        "smm_stack_end:\n"
        ".text\n");

/* --- what the guest is made of --- */

static int has_failed;

/* What fails first is told of: the rest may follow from it. */
static void expect(const char *what, uint64_t is, uint64_t wanted)
{
    if (is != wanted && !has_failed) {
        micro_puts("SMM: FAILED: ");
        micro_puts(what);
        micro_puts(" is ");
        micro_putn(is);
        micro_puts(", not ");
        micro_putn(wanted);
        micro_puts("\n");
        has_failed = 1;
    }
}

static void copy(uintptr_t to, const uint8_t *from, const uint8_t *end)
{
    for (volatile uint8_t *at = (uint8_t *)to; from < end; from++, at++) {
        *at = *from;
    }
}

static void config_out(uint32_t address, uint32_t value)
{
    outl(0xcf8, address);
    outl(0xcfc, value);
}

static void set_smram(uint8_t smram, uint8_t esmramc)
{
    outl(0xcf8, MCH_SMRAM);
    outb(0xcfe, esmramc);
    outb(0xcfd, smram);
}

static uint8_t get_smram(void)
{
    outl(0xcf8, MCH_SMRAM);
    return inb(0xcfd);
}

static void wait_ms(uint64_t ms)
{
    for (uint64_t began = rdtsc(); rdtsc() - began < ms * tsc_khz;) {
    }
}

/* False: not within a second. */
static int wait_for(volatile uint32_t *counter, uint32_t value)
{
    uint64_t began = rdtsc();

    while (*counter != value) {
        if (rdtsc() - began > 1000 * tsc_khz) {
            return 0;
        }
    }
    return 1;
}

static void send(uint32_t apic_id, uint32_t what)
{
    wr32(LAPIC + 0x310, apic_id << 24);
    wr32(LAPIC + 0x300, what);
}

/* Ask this CPU's handler for something; its answer. It has run when OUT is over. */
static uint32_t ask(uint32_t command, uint32_t argument)
{
    Mailbox *box = MAILBOX(0);
    uint32_t entries = box->entries;

    box->command = command;
    box->argument = argument;
    outb(PORT_APM, (uint8_t)(0x80 + command));
    expect("entries", box->entries, entries + (command == DO_NEST ? 2 : 1));
    expect("port", box->port, command == DO_NEST ? 0x44 : 0x80 + command);
    return box->result;
}

static uint32_t read_inside(uint32_t at)
{
    return ask(DO_READ, at);
}

static void write_inside(uint32_t at, uint32_t value)
{
    MAILBOX(0)->result = value;
    ask(DO_WRITE, at);
}

/* --- steps --- */

static void test_disabled(void)
{
    Mailbox *box = MAILBOX(0);

    expect("SMI_EN", inl(SMI_ENABLE), 0);
    outb(PORT_APM, 1);
    outl(SMI_ENABLE, APM_BIT);
    outb(PORT_APM, 1);
    expect("entries without GBL_SMI_EN", box->entries, 0);
    expect("SMI_STS", inl(SMI_STATUS), APM_BIT);
    outl(SMI_STATUS, APM_BIT);
    expect("SMI_STS", inl(SMI_STATUS), 0);
    outl(SMI_ENABLE, APM_BIT | 1);
}

static void test_relocate(void)
{
    ask(DO_RELOCATE, BASE_0);
    expect("revision", MAILBOX(0)->revision, REVISION);
    expect("halted", MAILBOX(0)->auto_halt, 0);
    expect("SMI_STS", inl(SMI_STATUS), APM_BIT);
    for (uint32_t at = DEFAULT_BASE + ENTRY; at < DEFAULT_BASE + 0x10000; at += 4) {
        wr32(at, 0);
    }
    ask(DO_NOTHING, 0);
    expect("the old save area", rd32(DEFAULT_BASE + 0xfefc), 0);
}

static void test_closed(void)
{
    for (unsigned i = 0; i < 100; i++) {
        expect("SMRAM from outside", rd32(BASE_0 + SECRET_AT), UINT32_MAX);
        wr32(BASE_0 + SECRET_AT, 0);
        expect("SMRAM from inside", read_inside(BASE_0 + SECRET_AT), 0x5ec0 + i);
        write_inside(BASE_0 + SECRET_AT, 0x5ec0 + i + 1);
    }
    set_smram(SMRAM_OPEN, 0);
    expect("open SMRAM", rd32(BASE_0 + SECRET_AT), 0x5ec0 + 100);
    set_smram(SMRAM_CLOSED, 0);
    expect("SMRAM closed again", rd32(BASE_0 + SECRET_AT), UINT32_MAX);
}

static void test_tseg(void)
{
    wr32(TSEG, 0x11111111);
    wr32(TSEG - 4, 0x22222222);
    set_smram(SMRAM_CLOSED, TSEG_1M);
    expect("TSEG from outside", rd32(TSEG), UINT32_MAX);
    expect("before TSEG", rd32(TSEG - 4), 0x22222222);
    expect("TSEG from inside", read_inside(TSEG), 0x11111111);
    wr32(TSEG, 0);
    write_inside(TSEG + 4, 0x33333333);
    expect("TSEG from outside", rd32(TSEG + 4), UINT32_MAX);
    expect("TSEG from inside", read_inside(TSEG), 0x11111111);
    set_smram(SMRAM_LOCKED, TSEG_1M);
    set_smram(SMRAM_OPEN, 0);
    expect("SMRAM register", get_smram(), SMRAM_LOCKED);
    expect("locked TSEG from outside", rd32(TSEG + 4), UINT32_MAX);
    expect("locked SMRAM from outside", rd32(BASE_0 + SECRET_AT), UINT32_MAX);
    expect("locked TSEG from inside", read_inside(TSEG + 4), 0x33333333);
}

static uint64_t read_fs_base(void)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000100));
    return low | (uint64_t)high << 32;
}

static void test_registers(void)
{
    uint64_t flags = 0x8d5 | 2;

    __asm__ volatile("cli");
    __asm__ volatile("wrmsr" ::"a"(0x89abcdef), "d"(0x1234), "c"(0xc0000100));
    smi_long();
    expect("FS base", read_fs_base(), UINT64_C(0x123489abcdef));
    __asm__ volatile("wrmsr" ::"a"(0), "d"(0), "c"(0xc0000100));
    smi_protected();
    __asm__ volatile("sti");
    for (uint64_t i = 0; i < 16; i++) {
        expect("register in 64-bit code", long_regs[i], (i + 1) * UINT64_C(0x0101010101010101) + (i == 0 ? 0x54 : 0));
    }
    expect("RFLAGS in 64-bit code", long_flags, flags);
    for (uint64_t i = 0; i < 8; i++) {
        expect("register in protected mode", protected_regs[i], (i + 1) * 0x01010101 + (i == 0 ? 0x54 : 0));
    }
    expect("EFLAGS in protected mode", protected_flags, flags);
}

enum { NR_WORDS = 2048 };

static uint64_t fill(uint64_t at)
{
    for (uint32_t i = 0; i < NR_WORDS; i++) {
        wr32(at + 4 * i, i * 0x9e3779b9);
    }
    return 0;
}

static uint64_t sum(uint64_t at)
{
    uint32_t result = 0;

    for (uint32_t i = 0; i < NR_WORDS; i++) {
        result += rd32(at + 4 * i);
    }
    return result;
}

static uint32_t call_inside(uint64_t (*function)(uint64_t), uint32_t argument)
{
    MAILBOX(0)->result = argument;
    return ask(DO_CALL, (uint32_t)(uintptr_t)function);
}

/* The same functions, at the same addresses, in the same mode of the CPU, inside and outside: only memory differs. */
static void test_calls(void)
{
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < NR_WORDS; i++) {
        wanted += i * 0x9e3779b9;
    }
    call_inside(fill, TSEG + 0x1000);
    for (unsigned i = 0; i < 50; i++) {
        expect("sum from outside", (uint32_t)sum(TSEG + 0x1000), (uint32_t)-NR_WORDS);
        expect("sum from inside", call_inside(sum, TSEG + 0x1000), wanted);
        fill(TSEG + 0x1000 + 4 * i);
    }
}

static uint64_t ask_in_ring3(uint64_t nr)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < nr; i++) {
        sum += read_inside(TSEG);
    }
    return sum;
}

static void test_nested(void)
{
    Mailbox *box = MAILBOX(0);

    ask(DO_NEST, TSEG);
    expect("SMIs taken inside", box->nr_nested, 0);
}

static void test_nmi(void)
{
    uint64_t gate = (uintptr_t)nmi_entry;

    idt[4] = (gate & 0xffff) | 0x08 << 16 | UINT64_C(0x8e) << 40 | (gate >> 16 & 0xffff) << 48;
    idt[5] = gate >> 32;
    send(0, ICR_NMI);
    expect("NMIs", nr_nmi, 1);
    expect("NMIs while in SMM", ask(DO_NMI, (uint32_t)(uintptr_t)&nr_nmi), 1);
    expect("NMIs after SMM", nr_nmi, 2);
}

/* Another CPU, in a HLT without interrupts: an SMI does not end it, unless the handler says so. */
static void test_halted(void)
{
    Mailbox *box = MAILBOX(1);

    copy(DEFAULT_BASE + ENTRY, handler, handler_end);
    copy(AP_PAGE, ap_start, ap_end);
    send(1, ICR_INIT);
    wait_ms(10);
    send(1, ICR_STARTUP | AP_PAGE >> 12);
    expect("the other CPU's start", (uint64_t)wait_for(AP_ROUNDS, 1), 1);
    wait_ms(5);
    MAILBOX(0)->command = DO_RELOCATE;
    MAILBOX(0)->argument = BASE_1;
    send(1, ICR_SMI);
    expect("the other CPU's relocation", (uint64_t)wait_for(&MAILBOX(0)->command, DO_NOTHING), 1);
    wait_ms(5);
    expect("it was halted", MAILBOX(0)->auto_halt, 1);
    for (uint32_t i = 1; i <= 3; i++) {
        send(1, ICR_SMI);
        expect("its entries", (uint64_t)wait_for(&box->entries, i), 1);
        wait_ms(5);
    }
    expect("it was halted", box->auto_halt, 1);
    expect("its rounds", *AP_ROUNDS, 1);
    box->command = DO_CLEAR_HALT;
    send(1, ICR_SMI);
    expect("its rounds after the handler said so", (uint64_t)wait_for(AP_ROUNDS, 2), 1);
    expect("its nested SMIs", box->nr_nested, 0);
}

/* INIT waits for the handler's end; what is saved with SMBASE survives it. */
static void test_init(void)
{
    Mailbox *box = MAILBOX(1);
    uint32_t rounds = *AP_ROUNDS;
    uint32_t entries = box->entries;

    box->result = 0;
    box->command = DO_SPIN;
    send(1, ICR_SMI);
    expect("its entries", (uint64_t)wait_for(&box->entries, entries + 1), 1);
    send(1, ICR_INIT);
    wait_ms(5);
    box->result = 1;
    expect("its handler's end after INIT", (uint64_t)wait_for(&box->is_inside, 0), 1);
    wait_ms(5);
    expect("its rounds before it is started", *AP_ROUNDS, rounds);
    send(1, ICR_STARTUP | AP_PAGE >> 12);
    expect("its rounds when it is started", (uint64_t)wait_for(AP_ROUNDS, rounds + 1), 1);
    send(1, ICR_SMI);
    expect("its entries", (uint64_t)wait_for(&box->entries, entries + 2), 1);
}

/* --- fw_cfg: SMIs for all --- */

static uint32_t swap32(uint32_t value)
{
    return __builtin_bswap32(value);
}

static uint64_t fw_big(unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--) {
        value = value << 8 | inb(0x511);
    }
    return value;
}

static void fw_select(uint32_t key)
{
    __asm__ volatile("outw %w0,%w1" ::"a"(key), "d"(0x510));
}

static uint32_t fw_find(const char *name)
{
    uint32_t nr;

    fw_select(0x19);
    nr = (uint32_t)fw_big(4);
    for (uint32_t i = 0; i < nr; i++) {
        uint32_t key;
        int is_same = 1;
        int is_over = 0;

        fw_big(4);
        key = (uint32_t)fw_big(2);
        fw_big(2);
        for (unsigned at = 0; at < 56; at++) {
            char c = (char)fw_big(1);

            is_same = is_same && (is_over || c == name[at]);
            is_over = is_over || !c;
        }
        if (is_same) {
            return key;
        }
    }
    return 0;
}

static void test_broadcast(void)
{
    static struct {
        volatile uint32_t control;
        uint32_t length;
        uint64_t address;
    } request;
    static uint64_t wanted = 1;
    uint32_t others = MAILBOX(1)->entries;

    ask(DO_NOTHING, 0);
    wait_ms(5);
    expect("the other's entries without broadcast", MAILBOX(1)->entries, others);
    request.control = swap32(fw_find("etc/smi/requested-features") << 16 | 0x18);
    request.length = swap32(sizeof(wanted));
    request.address = __builtin_bswap64((uintptr_t)&wanted);
    outl(0x518, swap32((uint32_t)(uintptr_t)&request));
    expect("fw_cfg", request.control, 0);
    fw_select(fw_find("etc/smi/features-ok"));
    expect("features-ok", inb(0x511), 1);
    ask(DO_NOTHING, 0);
    expect("the other's entries with broadcast", (uint64_t)wait_for(&MAILBOX(1)->entries, others + 1), 1);
}

static void set_up(void)
{
    config_out(LPC_PMBASE, PM_BASE | 1);
    config_out(LPC_CONTROL, 0x80);
    copy(DEFAULT_BASE + ENTRY, handler, handler_end);
    set_smram(SMRAM_OPEN, 0);
    copy(BASE_0 + ENTRY, handler, handler_end);
    copy(BASE_1 + ENTRY, handler, handler_end);
    wr32(BASE_0 + SECRET_AT, 0x5ec0);
    set_smram(SMRAM_CLOSED, 0);
    expect("room for the handler", (uint64_t)(handler_end - handler) <= HANDLER_ROOM, 1);
}

int micro_main(uint32_t boot_info)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } steps[] = {
        { "disabled", test_disabled }, { "relocate", test_relocate }, { "closed", test_closed }, { "tseg", test_tseg },
        { "registers", test_registers },
        { "calls", test_calls }, { "nested", test_nested }, { "nmi", test_nmi }, { "halted", test_halted },
        { "init", test_init }, { "broadcast", test_broadcast },
    };

    (void)boot_info;
    micro_start();
    set_up();
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && !has_failed; i++) {
        micro_puts("SMM: ");
        micro_puts(steps[i].name);
        micro_puts("\n");
        steps[i].run();
    }
    expect("TSEG from ring 3", ring3_call(ask_in_ring3, 1000), UINT64_C(0x11111111) * 1000);
    micro_puts(has_failed ? "SMM: FAILED\n" : "SMM: PASSED\n");
    return has_failed ? MICRO_FAILED : MICRO_PASSED;
}
