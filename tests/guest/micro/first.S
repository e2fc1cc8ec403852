/*
 * The shortest guest: its first instructions write isa-debug-exit, exit status 33. Firmware image, for
 * measuring the way from exec to the first guest instruction.
 */
	.code16
	.section .rom, "ax"
	.org 0xfff0
	mov $0x10, %al
	out %al, $0xf4
1:	hlt
	jmp 1b
	.org 0x10000
