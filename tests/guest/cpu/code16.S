/*
 * The ways to real mode and back, and to virtual-8086 mode, and the snippets that run there. code16.h says where.
 */
#include "code16.h"
#include "selectors.h"

	.text
	.globl real_run
real_run:
	pushal
	mov 36(%esp), %ebx
	mov %esp, saved_esp
	sidt saved_idt
	lidt real_idt
	ljmp $REAL_CODE, $real_enter - code16
real_back:
	mov $KDATA, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov saved_esp, %esp
	lidt saved_idt
	popal
	ret

	/* What IRET takes for virtual-8086 mode, SDM vol. 3 figure 20-2 */
	.globl v86_enter
v86_enter:
	mov 4(%esp), %eax
	mov 8(%esp), %edx
	.rept 5
	pushl $0			/* GS, FS, DS, ES, SS */
	.endr
	pushl $STACK16
	pushl %edx
	pushl $CODE16_SEGMENT
	pushl %eax
	iretl

	.data
	.globl real_idt
saved_esp: .long 0
saved_idt: .word 0
	.long 0
real_idt: .word 0x3ff
	.long 0

	.text
	.p2align 4
	.code16
	.globl code16
code16:
real_enter:
	mov $REAL_DATA, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov %ax, %gs			/* FS keeps its 4 GiB: unreal mode */
	mov %cr0, %eax
	and $~1, %al
	mov %eax, %cr0
	ljmp $CODE16_SEGMENT, $1f - code16
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov %ax, %gs
	mov $STACK16, %esp
	call *%bx
	cli
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $KCODE, $real_back

/* A snippet: its name is known to C, its results are numbered. */
.macro SNIPPET name
	.globl \name
\name:
.endm
.macro RESULT n, reg
	movl \reg, RESULTS + 4 * \n
.endm

/* Handlers of real mode, 8 bytes apart, for vectors 0 to 31 and 0x40. */
	.p2align 3
SNIPPET real_stubs
	.set v, 0
	.rept 32
	.p2align 3
	push $v
	jmp real_handler
	.set v, v + 1
	.endr
	.p2align 3
	push $0x40
	jmp real_handler

/*
 * Result 16 counts, 17 vector, 18 IP, 19 CS, 20 FLAGS as pushed, 21 SP, 22 the handler's flags; goes on at result 23 unless that is
 * 0. Segments may be anything; DS comes back.
 */
real_handler:
	push %bp
	mov %sp, %bp
	push %ds
	push %eax
	pushfl
	xor %ax, %ax
	mov %ax, %ds
	pop %eax
	RESULT 22, %eax
	incl RESULTS + 64
	movzwl 2(%bp), %eax
	RESULT 17, %eax
	movzwl 4(%bp), %eax
	RESULT 18, %eax
	movzwl 6(%bp), %eax
	RESULT 19, %eax
	movzwl 8(%bp), %eax
	RESULT 20, %eax
	movzwl %bp, %eax
	add $4, %ax
	RESULT 21, %eax
	mov RESULTS + 92, %ax
	test %ax, %ax
	jz 1f
	mov %ax, 4(%bp)
1:	pop %eax
	pop %ds
	pop %bp
	add $2, %sp
	iret

/* --- real mode */

SNIPPET real_int
	sti
	mov $0x1234, %eax
	int $0x40		/* below 0x80, which KVM's emulator takes for negative */
SNIPPET real_int_next
	RESULT 0, %eax
	pushfl
	pop %eax
	RESULT 1, %eax
	ret

/* Faults go on behind real_recover. */
SNIPPET real_recover
	ret
SNIPPET real_div
	xor %cx, %cx
SNIPPET real_div_insn
	div %cx
SNIPPET real_ud
	ud2
SNIPPET real_word_at_end
	mov 0xffff, %ax
	ret
SNIPPET real_dword_at_end
	mov 0xfffd, %eax
	ret
SNIPPET real_byte_at_end
	movzbl 0xffff, %eax
	RESULT 0, %eax
	ret
SNIPPET real_stack_at_end
	mov $0xffff, %bp
	mov (%bp), %ax
	ret
SNIPPET real_beyond
	mov $0x10000, %ebx
	mov (%ebx), %al
	ret
SNIPPET real_sldt
	sldt %ax
SNIPPET real_lar
	lar %ax, %ax
SNIPPET real_arpl
	arpl %ax, %ax
SNIPPET real_lldt
	lldt %ax
SNIPPET real_sysenter
	sysenter
SNIPPET real_into
	mov $0x7f, %al
	add $1, %al
	into
SNIPPET real_bound
	push $20
	push $10
	mov %sp, %si
	mov $9, %ax
SNIPPET real_bound_insn
	bound %ax, (%si)
SNIPPET real_bound_recover
	add $4, %sp
	ret

/* Offsets wrap at 64 KiB: [bx + si], a string's SI, SP. */
SNIPPET real_wraps
	mov $0xffff, %bx
	mov $RESULTS + 33, %si		/* 0x7020 after the wrap */
	mov (%bx,%si), %eax
	RESULT 0, %eax
	mov $0xffff, %si
	mov $0x7100, %di
	mov $2, %cx
	cld
	rep movsb
	movzwl %si, %eax
	RESULT 1, %eax
	movzwl 0x7100, %eax
	RESULT 2, %eax
	mov %sp, %bp
	xor %sp, %sp
	push $0x4321
	mov %sp, %ax
	mov %bp, %sp
	movzwl %ax, %eax
	RESULT 3, %eax
	ret
SNIPPET real_far
	lcall $CODE16_SEGMENT + 1, $far_target - code16 - 16
	RESULT 0, %eax
	ret
far_target:
	xor %eax, %eax
	mov %cs, %ax
	lret
SNIPPET real_high
	push %es
	mov $0xffff, %ax
	mov %ax, %es
	mov %es:0x10, %eax		/* 0x100000 with A20 */
	pop %es
	RESULT 0, %eax
	ret
SNIPPET unreal
	mov $0x100000, %ebx
	mov %fs:(%ebx), %eax
	RESULT 0, %eax
	mov $0x0700, %ax
	mov %ax, %fs			/* the base changes, the limit stays */
	mov $0xf9000, %ebx
	mov %fs:(%ebx), %eax
	RESULT 1, %eax
	ret
SNIPPET real_flags
	pushl $0x7000
	popfl
	pushfl
	pop %eax
	RESULT 0, %eax
	pushl $2
	popfl
	ret
SNIPPET real_step
	push $0x102
	popf
	nop
	nop
SNIPPET real_step_2
	push $2
	popf
	ret

/* --- virtual-8086 mode: each ends by UD2 */

SNIPPET v86_look
	mov %cs, %ax
	shl $16, %eax
	mov %ds, %ax
	ud2
SNIPPET v86_cli
	cli
	ud2
SNIPPET v86_sti
	sti
	nop
	ud2
SNIPPET v86_pushf
	pushf
	pop %ax
	ud2
SNIPPET v86_popf
	push $0x0202
	popf
	ud2
SNIPPET v86_popf_off
	push $0x3002
	popf
	ud2
SNIPPET v86_popfl
	pushl $0x23202
	popfl
	ud2
SNIPPET v86_int
	mov $7, %eax
SNIPPET v86_int_insn
	int $0x80
SNIPPET v86_int_next
	add $1, %eax
	ud2
SNIPPET v86_int3
	int3
SNIPPET v86_int3_next
	ud2
SNIPPET v86_iret
	push $0x0202
	push $CODE16_SEGMENT
	push $1f - code16
SNIPPET v86_iret_insn
	iret
	hlt
1:	mov $0x66, %eax
	ud2
SNIPPET v86_hlt
	hlt
SNIPPET v86_in
	in $0x80, %al
	ud2
SNIPPET v86_out_w
	mov $0x7f, %dx
	out %ax, %dx
	ud2
SNIPPET v86_lgdt
	lgdt RESULTS
SNIPPET v86_cr
	mov %cr0, %eax
SNIPPET v86_lldt
	lldt %ax
SNIPPET v86_lar
	lar %ax, %ax
SNIPPET v86_arpl
	arpl %ax, %ax
SNIPPET v86_word_at_end
	mov 0xffff, %ax
SNIPPET v86_stack_at_end
	mov $0xffff, %bp
SNIPPET v86_stack_at_end_insn
	mov (%bp), %ax
SNIPPET v86_segment
	mov $0x700, %ax
	mov %ax, %ds
	mov 0, %eax
	ud2
/* --- with its extensions (CR4.VME) */

/* What INT pushed: IP, CS, FLAGS go to EAX, ECX, ESI. */
SNIPPET vme_handler
	mov %sp, %bp
	movzwl (%bp), %eax
	movzwl 2(%bp), %ecx
	movzwl 4(%bp), %esi
	ud2
SNIPPET vme_service
	mov $0, %esi
	pushf
	pop %si
	iret
SNIPPET vme_return
	iret
/* ESI: how often PUSHF showed IF, times 0x200 */
SNIPPET vme_often
	mov $0, %esi
	mov $3000, %cx
1:	sti
	int $0x80
	pushf
	pop %ax
	and $0x200, %eax
	add %eax, %esi
	cli
	int $0x80
	pushf
	pop %ax
	and $0x200, %eax
	add %eax, %esi
	loop 1b
	ud2
SNIPPET vme_int_3
	.byte 0xcd, 3			/* "int $3" is the short form, which is another instruction */
	ud2
SNIPPET vme_int_ff
	int $0xff
	ud2
SNIPPET vme_into
	mov $0x7f, %al
	add $1, %al
	into
	ud2
SNIPPET vme_pushfl
	pushfl
	ud2
SNIPPET vme_popf_tf
	push $0x0102
SNIPPET vme_popf_tf_insn
	popf
	ud2
SNIPPET vme_popfl_at_end
	mov $0xffff, %sp
SNIPPET vme_popfl_at_end_insn
	popfl
	ud2
SNIPPET vme_iret_off
	push $0x3002
	push $CODE16_SEGMENT
	push $1f - code16
	iret
	hlt
1:	ud2
SNIPPET vme_iret_tf
	push $0x0102
	push $CODE16_SEGMENT
	push $1f - code16
SNIPPET vme_iret_tf_insn
	iret
	hlt
1:	ud2
SNIPPET vme_iretl
	pushl $2
	pushl $CODE16_SEGMENT
	pushl $1f - code16
SNIPPET vme_iretl_insn
	iretl
	hlt
1:	ud2
	.globl code16_end
code16_end:
