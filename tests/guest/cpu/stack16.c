/*
 * 16-bit code and 16-bit stacks in protected mode: what of ESP, EBP and EIP such instructions use, change and keep.
 * Spec: SDM vol. 1 §6.2.3 (stack address size), vol. 3 §3.4.5 (D/B); vol. 2 for each instruction.
 */
#include "cpu.h"

#define STACK_16 0x58   /* data of 64 KiB at stack[], B clear */
#define CODE_16  0x60   /* code of 64 KiB at the snippets, D clear */
#define STACK_32 0x68   /* as STACK_16, but B set */

static char stack[0x10000] __attribute__((aligned(16)));

/* Runs @text on another stack; result[] has ESP, EAX, EBX, EBP at its end. */
volatile uint32_t result[4];
volatile uint32_t flat_esp;
#define ON_STACK(name, selector, esp, text)                                                                 \
    ENTRY(name,                                                                                             \
          "pushal\n"                                                                                        \
          "mov %esp, flat_esp\n"                                                                            \
          "mov $" TEXT(selector) ", %eax; mov %eax, %ss; mov $" #esp ", %esp\n"                             \
          text                                                                                              \
          "\nmov %esp, result\n"                                                                            \
          "mov $" TEXT(KDATA) ", %ecx; mov %ecx, %ss; mov flat_esp, %esp\n"                                 \
          "mov %eax, result + 4; mov %ebx, result + 8; mov %ebp, result + 12\n"                             \
          "popal; ret")

#define ON_16(name, esp, text) ON_STACK(name, STACK_16, esp, text)

ON_16(push_wraps, 0x12340000, "push $0x11223344");
ON_16(push_word, 0x12340000, "pushw $0x5566");
ON_16(pop_wraps, 0x1234fffc, "pop %eax");
ON_16(push_esp, 0x12348000, "push %esp; pop %eax");
ON_16(pop_memory, 0x12348000, "push $0x77; popl %ss:0x100; mov %ss:0x100, %eax");
ON_16(call_near, 0x12340000, "call 1f; 1: pop %eax; sub $1b, %eax");
ON_16(enter_leave, 0x12348000, "mov $0xabcd9000, %ebp; enter $16, $0; mov %esp, %eax; mov %ebp, %ebx; leave");
ON_16(leave_alone, 0x12348000, "mov $0xabcd4000, %ebp; movl $0x99, %ss:0x4000; leave");
ON_16(enter_nested, 0x12348000, "mov $0xabcd9000, %ebp; movl $0x1111, %ss:0x8ffc; enter $0, $2\n"
      "mov %ss:0x7ff8, %eax; mov %ss:0x7ff4, %ebx");
ON_16(push_all, 0x12340010, "mov $0x55, %ebp; pushal; mov %ss:0xfff8, %eax; mov %ss:0xfffc, %ebx");
ON_16(pop_all, 0x12348000, "pushal; movl $0x4444, %ss:0x7fec; popal");
ON_16(add_esp, 0x1234fffe, "add $4, %esp");
ON_16(address_by_esp, 0x00008000, "push $0x66; mov (%esp), %eax");
ON_STACK(push_32, STACK_32, 0x00000100, "push $0x33; mov %ss:0xfc, %eax");

static void run(void (*code)(void))
{
    TRAP(code());
    check_trap("ends", T_NONE, 0);
}

static void begin(void)
{
    cpu_descriptor(STACK_16, (ulong)stack, 0xffff, 0x0093);
    cpu_descriptor(STACK_32, (ulong)stack, 0xffff, 0x4093);
}

static uint32_t at(unsigned offset)
{
    return *(volatile uint32_t *)(stack + offset);
}

static void pushes(void)
{
    begin();
    run(push_wraps);
    check("push-wraps-esp", result[0], 0x1234fffc);
    check("push-wraps-value", at(0xfffc), 0x11223344);
    run(push_word);
    check("push-word-esp", result[0], 0x1234fffe);
    check("push-word-value", at(0xfffc) >> 16, 0x5566);
    run(pop_wraps);
    check("pop-wraps-esp", result[0], 0x12340000);
    run(push_esp);
    check("push-esp-is-old-esp", result[1], 0x12348000);
    run(pop_memory);
    check("pop-memory", result[1], 0x77);
    run(call_near);
    check("call-esp", result[0], 0x12340000);
    check("call-pushes-eip", result[1], 0);
    run(push_32);
    check("push-on-32-bit-stack", result[1], 0x33);
    check("push-on-32-bit-stack-esp", result[0], 0xfc);
}

static void frames(void)
{
    begin();
    run(enter_leave);
    check("enter-esp", result[1], 0x12347fec);
    check("enter-ebp", result[2], 0x12347ffc);
    check("leave-esp", result[0], 0x12348000);
    check("leave-ebp", result[3], 0xabcd9000);
    run(enter_nested);
    check("enter-nested-copies", result[1], 0x1111);
    check("enter-nested-frame", result[2], 0x12347ffc);
}

static void leave(void)
{
    begin();
    run(leave_alone);
    check("leave-takes-bp", result[0], 0x12344004);
    check("leave-pops-ebp", result[3], 0x99);
}

static void all_registers(void)
{
    begin();
    run(push_all);
    check("pushad-esp", result[0], 0x1234fff0);
    check("pushad-wraps-ebp", result[1], 0x55);
    check("pushad-old-esp", result[2], 0x12340010);
}

static void others(void)
{
    begin();
    run(pop_all);
    check("popad-esp", result[0], 0x12348000);
    check("popad-ignores-esp-image", result[0] >> 16, 0x1234);
    run(add_esp);
    check("add-is-no-stack-instruction", result[0], 0x12350002);
    run(address_by_esp);
    check("address-by-esp", result[1], 0x66);
}

/* --- 16-bit code */

extern char code_16[];
extern char code_16_end[];
__asm__(".pushsection .text\n.code16\n"
        "code_16:\n"
        "call_16: call 1f; 1: pop %ax; sub $1b - code_16, %ax; lretl\n"
        "loop_16: mov $0x10002, %ecx; xor %eax, %eax; 1: inc %ax; loop 1b; lretl\n"
        "loop_16_ecx: mov $0x10002, %ecx; xor %eax, %eax; 1: inc %eax; addr32 loop 1b; lretl\n"
        "jcxz_16: mov $0x10000, %ecx; mov $1, %eax; jcxz 1f; mov $2, %eax; 1: lretl\n"
        "jump_16: mov $jump_16_target - code_16 + 0x50000, %ebx; xor %eax, %eax; jmp *%bx; mov $1, %al\n"
        "jump_16_target: add $4, %eax; lretl\n"
        "jump_32: mov $jump_32_target - code_16 + 0x50000, %ebx; xor %eax, %eax; jmp *%ebx\n"
        "jump_32_target: lretl\n"
        "lea_16: mov $0xffff, %bx; mov $3, %si; mov $-1, %eax; lea (%bx,%si), %eax; lretl\n"
        "code_16_end:\n"
        ".code32\n.popsection");
extern char call_16[], loop_16[], loop_16_ecx[], jcxz_16[], jump_16[], jump_32[], jump_32_target[], lea_16[];

CODE(far_call, "push %ebx; mov 8(%esp), %ecx; lcall *(%ecx); pop %ebx");

static ulong call_code_16(char *snippet)
{
    volatile struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target = { (uint32_t)(snippet - code_16), CODE_16 };

    return call_with(far_call, (ulong)&target);
}

static void code(void)
{
    cpu_descriptor(CODE_16, (ulong)code_16, 0xffff, 0x009b);
    TRAP(check("call-16-pushes-ip", call_code_16(call_16) & 0xffff, 0));
    check_trap("call-16", T_NONE, 0);
    TRAP(check("loop-counts-cx", call_code_16(loop_16), 2));
    TRAP(check("addr32-loop-counts-ecx", call_code_16(loop_16_ecx), 0x10002));
    TRAP(check("jcxz-looks-at-cx", call_code_16(jcxz_16), 1));
    TRAP(check("jmp-bx-is-16-bits", call_code_16(jump_16), 4));
    TRAP(call_code_16(jump_32));
    check_trap("jmp-ebx-beyond-limit", T_GP, 0);
    check("jmp-ebx-beyond-limit-is-of-the-jump", trap.ip, (ulong)(jump_32_target - code_16) - 3);
    TRAP(check("lea-16-bit-address", call_code_16(lea_16), 2));
}

/* 32-bit code with 16-bit operand size: EIP loses its upper half. */
CODE(short_return, ".byte 0x66; push $0x8000; .byte 0x66; ret");

static void truncation(void)
{
    volatile uint8_t *low = (volatile uint8_t *)0x8000;

    low[0] = 0xb8;      /* mov $0x42, %eax; ret */
    low[1] = 0x42;
    low[2] = low[3] = low[4] = 0;
    low[5] = 0xc3;
    TRAP(check("ret-16-in-32-bit-code", call_with(short_return, 0), 0x42));
    check_trap("ret-16-in-32-bit-code", T_NONE, 0);
}

const CpuCase cpu_cases[] = {
    { "pushes", pushes, NULL },
    { "frames", frames, "the emulator's ENTER is a 16-bit one, without nesting" },
    { "leave", leave, NULL },
    { "all-registers", all_registers, NULL },
    { "others", others, NULL },
    { "code", code, NULL },
    { "truncation", truncation, NULL },
    { NULL, NULL, NULL },
};
