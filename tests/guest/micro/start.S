/*
 * Entry code of the bare-metal guests.
 *
 * A KVM without hardware virtualisation (PVM) interprets ring 0 at some four
 * million instructions a second and runs ring 3 of long mode natively, but an
 * exit costs some eight times more from ring 3 than from ring 0.  So the tests
 * run in ring 0, and ring3_call() runs what computes (patterns, checksums,
 * busy loops) in ring 3.
 *
 * Two ways in, one image linked at 1 MiB:
 *   PVH   (-kernel X.elf): 32-bit protected mode, EBX = start info
 *   ROM   (-bios X.rom):   reset vector, see rom.S, which copies the image
 *
 * Every page is mapped user-accessible; ports are opened to ring 3 with an
 * all-zero TSS bitmap, because IOPL in RFLAGS does not survive under PVM.
 */
	.set KCODE, 0x08
	.set KDATA, 0x10
	.set UDATA, 0x1b	/* 0x18 | 3 */
	.set UCODE, 0x23	/* 0x20 | 3 */
	.set TSSSEL, 0x28

	.section .note.pvh, "a", @note
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start32

	.section .text.head, "ax"
	.code32
	.globl start32
start32:
	cld
	mov %ebx, boot_info
	lgdt gdtr
	mov $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx		/* EFER: LME, NXE off */
	mov $0x100, %eax
	xor %edx, %edx
	wrmsr
	mov $0x80000033, %eax		/* PG, NE, ET, MP, PE */
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
	lea kstack_top(%rip), %rsp
	lidt idtr(%rip)
	mov $TSSSEL, %eax
	ltr %ax
	/* IDT: 256 gates; the stubs are 16 bytes apart */
	lea idt(%rip), %rdi
	lea trap_stubs(%rip), %rax
	mov $256, %ecx
1:	mov %rax, %rdx
	mov %ax, (%rdi)
	movw $KCODE, 2(%rdi)
	movw $0xee00, 4(%rdi)		/* present, DPL 3, interrupt gate */
	shr $16, %rdx
	mov %dx, 6(%rdi)
	movl $0, 8(%rdi)
	movl $0, 12(%rdi)
	add $16, %rax
	add $16, %rdi
	dec %ecx
	jnz 1b
	lea mstack_top(%rip), %rsp
	mov boot_info(%rip), %edi
	call micro_main
	mov %eax, %edi
	call micro_exit
1:	hlt
	jmp 1b

	/* uint64_t ring3_call(uint64_t (*fn)(uint64_t), uint64_t arg) */
	.globl ring3_call
ring3_call:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_rsp(%rip)
	push $UDATA
	lea ustack_top(%rip), %rax
	push %rax
	push $0x202
	push $UCODE
	lea ring3(%rip), %rax
	push %rax
	iretq
ring3:
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	mov %rax, %rdi
	mov $-1, %rax			/* "return", see common */
	ud2
ring3_ret:				/* ring 0 again, on the ring 3 trap stack */
	mov %rdi, %rax
	mov saved_rsp(%rip), %rsp
	sti
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

#include "stubs.inc"
common:
	cmp $-1, %rax
	jne 1f
	cmpl $6, (%rsp)
	jne 1f
	testb $3, 24(%rsp)
	jnz ring3_ret
1:	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	mov %rsp, %rdi
	call micro_trap			/* ring 0, interpreted: keep it short */
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.data
	.p2align 12
	.globl pml4
pml4:	.quad pdpt + 7
	.fill 511, 8, 0
pdpt:	.quad pd + 0x0007, pd + 0x1007, pd + 0x2007, pd + 0x3007
	.fill 508, 8, 0
pd:	.set i, 0
	.rept 2048			/* 4 GiB in 2 MiB pages; no 1 GiB pages here */
	.quad (i << 21) + 0x87
	.set i, i + 1
	.endr
	.p2align 4
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* 08 ring 0 code, long */
	.quad 0x00cf93000000ffff	/* 10 ring 0 data */
	.quad 0x00cff3000000ffff	/* 18 ring 3 data */
	.quad 0x00affb000000ffff	/* 20 ring 3 code, long */
tssdesc: /* limit 0x2067; base filled in at link time */
	.word 0x2067
	.word tss_lo
	.byte tss_mid, 0x89, 0, tss_hi
	.quad 0
gdt_end:
gdtr:	.word gdt_end - gdt - 1
	.quad gdt
idtr:	.word 4095
	.quad idt
	.globl boot_info
boot_info: .long 0
	.p2align 4
	.globl tss
tss:	.long 0
	.quad kstack_top, 0, 0		/* RSP0..2 */
	.fill 8, 8, 0			/* reserved, IST1..7 */
	.long 0
	.word 0, 0x68			/* I/O map base */
	/* The bitmap itself (8192 zero bytes and the 0xff end byte) follows. */
iomap:	.fill 8192, 1, 0
	.byte 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff

	.bss
	.p2align 12
	.globl idt
idt:	.skip 4096
	.skip 8192
kstack_top:				/* traps from ring 3 */
	.skip 16384
mstack_top:				/* micro_main */
	.skip 16384
ustack_top:
saved_rsp: .skip 8
