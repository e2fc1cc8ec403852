/*
 * Entry, trap stubs, and ways to ring 3 and back of 64-bit test programs. cpu.h says what is what.
 */
#include "selectors.h"

	.section .text.head, "ax"
	.code32
	.globl start32
start32:
	cld
	mov $pd, %edi			/* the first 4 GiB in pages of 2 MiB, for ring 3 as well */
	mov $0x87, %eax
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $8, %edi
	add $0x200000, %eax
	jnc 1b
	movl $pd + 0x0007, cpu_pdpt
	movl $pd + 0x1007, cpu_pdpt + 8
	movl $pd + 0x2007, cpu_pdpt + 16
	movl $pd + 0x3007, cpu_pdpt + 24
	movl $cpu_pdpt + 7, cpu_pml4
	lgdt gdtr
	mov $0x20, %eax			/* PAE */
	mov %eax, %cr4
	mov $cpu_pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx		/* EFER.LME */
	mov $0x100, %eax
	xor %edx, %edx
	wrmsr
	mov $0x80000033, %eax		/* PG, NE, ET, MP, PE; WP off */
	mov %eax, %cr0
	ljmp $KCODE, $start64
	.code64
start64:
	mov $KDATA, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	lea stack_top(%rip), %rsp
	call cpu_start
1:	hlt
	jmp 1b

	.text
	/* bool catch_trap(void) */
	.globl catch_trap
catch_trap:
	mov %rbx, context
	mov %rbp, context + 8
	mov %r12, context + 16
	mov %r13, context + 24
	mov %r14, context + 32
	mov %r15, context + 40
	lea 8(%rsp), %rax
	mov %rax, context + 48
	mov (%rsp), %rax
	mov %rax, context + 56
	pushfq
	pop context + 64
	movl $1, cpu_catching
	xor %eax, %eax
	ret

	/* void catch_resume(void): go on as if catch_trap() returned true */
	.globl catch_resume
catch_resume:
	mov $KDATA, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	mov context, %rbx
	mov context + 8, %rbp
	mov context + 16, %r12
	mov context + 24, %r13
	mov context + 32, %r14
	mov context + 40, %r15
	mov context + 48, %rsp
	push context + 64
	popfq
	mov $1, %eax
	jmp *context + 56

	/* void user_enter(void (*code)(ulong), ulong arg) */
	.globl user_enter
user_enter:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov cpu_user_sp, %rdx
	sub $8, %rdx
	movq $user_done, (%rdx)
	push $UDATA
	push %rdx
	push cpu_user_flags
	push cpu_user_cs
	push %rax
	iretq
	.globl user_done
user_done:
	ud2

#include "../micro/stubs.inc"
common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	call cpu_trap
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.data
	.p2align 4
	.word 0, 0, 0
gdtr:	.word GDT_SIZE - 1
	.quad cpu_gdt

	.bss
	.p2align 12
	.globl cpu_pml4, cpu_pdpt, cpu_idt
cpu_pml4: .skip 4096
cpu_pdpt: .skip 4096
pd:	.skip 16384
cpu_idt: .skip 4096
	.skip 16384
stack_top:
context: .skip 72
