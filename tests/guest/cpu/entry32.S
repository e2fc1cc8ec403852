/*
 * Entry, trap stubs, and ways to ring 3 and back of 32-bit test programs. cpu.h says what is what.
 */
#include "selectors.h"

	.section .text.head, "ax"
	.globl start32
start32:
	cld
	lgdt gdtr
	ljmp $KCODE, $1f
1:	mov $KDATA, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov $stack_top, %esp
	call cpu_start
1:	hlt
	jmp 1b

	.text
	/* bool catch_trap(void) */
	.globl catch_trap
catch_trap:
	mov %ebx, context
	mov %ebp, context + 4
	mov %esi, context + 8
	mov %edi, context + 12
	lea 4(%esp), %eax
	mov %eax, context + 16
	mov (%esp), %eax
	mov %eax, context + 20
	pushfl
	popl context + 24
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
	mov %eax, %fs
	mov %eax, %gs
	mov context, %ebx
	mov context + 4, %ebp
	mov context + 8, %esi
	mov context + 12, %edi
	mov context + 16, %esp
	pushl context + 24
	popfl
	ljmp $KCODE, $1f
1:	mov $1, %eax
	jmp *context + 20

	/* void user_enter(void (*code)(ulong), ulong arg) */
	.globl user_enter
user_enter:
	mov 4(%esp), %eax
	mov 8(%esp), %ecx
	mov cpu_user_sp, %edx
	sub $8, %edx
	movl $user_done, (%edx)
	mov %ecx, 4(%edx)
	mov $UDATA, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	push $UDATA
	push %edx
	pushl cpu_user_flags
	pushl cpu_user_cs
	push %eax
	iretl
	.globl user_done
user_done:
	ud2

#include "../micro/stubs.inc"
common:
	pushal
	push %ds
	push %es
	mov $KDATA, %eax
	mov %eax, %ds
	mov %eax, %es
	cld
	push %esp
	call cpu_trap
	add $4, %esp
	pop %es
	pop %ds
	popal
	add $8, %esp
	iretl

	.data
	.p2align 4
	.word 0
gdtr:	.word GDT_SIZE - 1
	.long cpu_gdt

	.bss
	.p2align 12
	.globl cpu_idt
cpu_idt: .skip 4096
	.skip 16384
stack_top:
context: .skip 28
