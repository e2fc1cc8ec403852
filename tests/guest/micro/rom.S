/*
 * ROM wrapper: a 64 KiB flat firmware image (-bios X.rom).  The payload
 * lies at the start of the ROM, this code in its last 256 bytes.  It goes to
 * protected mode, copies the payload to 1 MiB and jumps to it (start32 is the
 * first byte).  The RAM above the payload is zero after reset, as .bss needs.
 */
	.code16
	.section .rom, "ax"
	.incbin PAYLOAD
	.org 0xff00
start16:
	cli
	lgdtl %cs:gdtr16 - rombase
	mov $0x11, %eax
	mov %eax, %cr0
	ljmpl $0x08, $(0xffff0000 + pm - rombase)
	.set rombase, start16 - 0xff00
	.code32
pm:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	cld
	mov $0xffff0000, %esi
	mov $0x100000, %edi
	mov $0xff00 / 4, %ecx
	rep movsl
	xor %ebx, %ebx
	mov $0x100000, %eax
	jmp *%eax
	.p2align 3
gdt16:	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
gdtr16:	.word 23
	.long 0xffff0000 + gdt16 - rombase
	.org 0xfff0
	.code16
	jmp start16
	.org 0x10000
