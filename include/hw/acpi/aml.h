/*
 * aml - writes ACPI Machine Language: bytes in the order of the grammar, ACPI 6.4 §20.2.
 *
 * Everything is appended, operators before their operands, as the byte code has it:
 *
 *     rh_aml_device_begin(a, "RTC");
 *         rh_aml_name_eisaid(a, "_HID", "PNP0B00");
 *         rh_aml_name_crs_begin(a);
 *             rh_aml_res_io(a, 0x70, 0x70, 1, 8);
 *             rh_aml_res_irq(a, 8);
 *         rh_aml_end(a);
 *     rh_aml_end(a);
 *
 * What has a package length is a begin; rh_aml_end() closes the innermost and writes its length.
 * Names and numbers come from us, never from a guest: a malformed one is a bug and asserts.
 * A builder belongs to one thread and lives in its owner's memory between init and fini.
 */
#ifndef RH_HW_ACPI_AML_H
#define RH_HW_ACPI_AML_H

#include "util/core.h"

typedef struct RhAml {
    GByteArray *out; /* the byte code so far */
    GArray *open;    /* of RhAmlOpen: what was begun and not ended, innermost last */
} RhAml;

void rh_aml_init(RhAml *a);
/** rh_aml_fini - drop the builder and what it wrote */
void rh_aml_fini(RhAml *a);
/** rh_aml_take - end the builder and return its bytes; everything begun must have been ended */
GByteArray *rh_aml_take(RhAml *a);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RhAml, rh_aml_fini)

/** RhAmlOp - operators that are followed by their operands; a value above 0xff is two bytes,
 * §20.2.5 */
typedef enum RhAmlOp {
    RH_AML_ZERO = 0x00, /* also the null target: the result is only returned */
    RH_AML_ONE = 0x01,
    RH_AML_ONES = 0xff,
    RH_AML_LOCAL0 = 0x60,           /* + n, 0 to 7 */
    RH_AML_ARG0 = 0x68,             /* + n, 0 to 6 */
    RH_AML_STORE = 0x70,            /* source target */
    RH_AML_REF_OF = 0x71,           /* object */
    RH_AML_ADD = 0x72,              /* a b target */
    RH_AML_CONCAT = 0x73,           /* a b target */
    RH_AML_SUBTRACT = 0x74,         /* a b target */
    RH_AML_INCREMENT = 0x75,        /* object */
    RH_AML_DECREMENT = 0x76,        /* object */
    RH_AML_MULTIPLY = 0x77,         /* a b target */
    RH_AML_DIVIDE = 0x78,           /* a b remainder quotient */
    RH_AML_SHIFT_LEFT = 0x79,       /* value count target */
    RH_AML_SHIFT_RIGHT = 0x7a,      /* value count target */
    RH_AML_AND = 0x7b,              /* a b target */
    RH_AML_OR = 0x7d,               /* a b target */
    RH_AML_XOR = 0x7f,              /* a b target */
    RH_AML_NOT = 0x80,              /* a target */
    RH_AML_DEREF_OF = 0x83,         /* reference */
    RH_AML_NOTIFY = 0x86,           /* device value */
    RH_AML_SIZE_OF = 0x87,          /* object */
    RH_AML_INDEX = 0x88,            /* object index target */
    RH_AML_CREATE_DWORD = 0x8a,     /* buffer index name */
    RH_AML_CREATE_WORD = 0x8b,      /* buffer index name */
    RH_AML_CREATE_BYTE = 0x8c,      /* buffer index name */
    RH_AML_CREATE_QWORD = 0x8f,     /* buffer index name */
    RH_AML_LAND = 0x90,             /* a b */
    RH_AML_LOR = 0x91,              /* a b */
    RH_AML_LNOT = 0x92,             /* a */
    RH_AML_LEQUAL = 0x93,           /* a b */
    RH_AML_LGREATER = 0x94,         /* a b */
    RH_AML_LLESS = 0x95,            /* a b */
    RH_AML_LNOT_EQUAL = 0x9293,     /* a b */
    RH_AML_LLESS_EQUAL = 0x9294,    /* a b */
    RH_AML_LGREATER_EQUAL = 0x9295, /* a b */
    RH_AML_TO_BUFFER = 0x96,        /* a target */
    RH_AML_TO_INTEGER = 0x99,       /* a target */
    RH_AML_CONTINUE = 0x9f,
    RH_AML_RETURN = 0xa4, /* value */
    RH_AML_BREAK = 0xa5,
    RH_AML_SLEEP = 0x5b22,   /* milliseconds */
    RH_AML_RELEASE = 0x5b27, /* mutex */
    RH_AML_DEBUG = 0x5b31,
} RhAmlOp;

#define RH_AML_LOCAL(n) ((RhAmlOp)(RH_AML_LOCAL0 + (n)))
#define RH_AML_ARG(n)   ((RhAmlOp)(RH_AML_ARG0 + (n)))

/* Terms: anything that may stand as an operand. */

/** rh_aml_op - an operator, local or argument; its operands are appended next */
void rh_aml_op(RhAml *a, RhAmlOp op);
/** rh_aml_int - an integer in its shortest form */
void rh_aml_int(RhAml *a, uint64_t value);
/** rh_aml_ref - a name such as "_CRS", "^PCI0" or "\\_SB.PCI0"; segments are padded to four with _
 */
void rh_aml_ref(RhAml *a, const char *path);
/** rh_aml_string - an ASCII string */
void rh_aml_string(RhAml *a, const char *text);
/** rh_aml_eisaid - a compressed id such as "PNP0A08", §19.3.4 */
void rh_aml_eisaid(RhAml *a, const char *id);
/** rh_aml_buffer - a buffer that holds @len bytes */
void rh_aml_buffer(RhAml *a, const void *bytes, size_t len);
/** rh_aml_uuid - a 16-byte buffer in the order of ToUUID, from
 * "aabbccdd-eeff-gghh-iijj-kkllmmnnoopp" */
void rh_aml_uuid(RhAml *a, const char *uuid);
/** rh_aml_raw - bytes that are byte code already */
void rh_aml_raw(RhAml *a, const void *bytes, size_t len);

/* Named objects. */

/** rh_aml_name - Name(@path, ...); the value is appended next */
void rh_aml_name(RhAml *a, const char *path);
void rh_aml_name_int(RhAml *a, const char *path, uint64_t value);
/** rh_aml_name_dword - as rh_aml_name_int, always four bytes wide; returns the offset of the four
 * bytes, for a value that is patched later */
size_t rh_aml_name_dword(RhAml *a, const char *path, uint32_t value);
void rh_aml_name_string(RhAml *a, const char *path, const char *text);
void rh_aml_name_eisaid(RhAml *a, const char *path, const char *id);

/** RhAmlSpace - where an operation region lies, §5.5.2.4 */
typedef enum RhAmlSpace {
    RH_AML_SYSTEM_MEMORY = 0,
    RH_AML_SYSTEM_IO = 1,
    RH_AML_PCI_CONFIG = 2,
} RhAmlSpace;

void rh_aml_region(RhAml *a, const char *name, RhAmlSpace space, uint64_t base, uint64_t len);

/** Field flags, §20.2.5.2: an access width, with lock and update rule or'ed in */
enum {
    RH_AML_ACC_ANY = 0x00,
    RH_AML_ACC_BYTE = 0x01,
    RH_AML_ACC_WORD = 0x02,
    RH_AML_ACC_DWORD = 0x03,
    RH_AML_ACC_QWORD = 0x04,
    RH_AML_FIELD_LOCK = 0x10,
    RH_AML_PRESERVE = 0x00,
    RH_AML_WRITE_AS_ONES = 0x20,
    RH_AML_WRITE_AS_ZEROS = 0x40,
};
void rh_aml_field_begin(RhAml *a, const char *region, unsigned flags);
void rh_aml_index_field_begin(RhAml *a, const char *index, const char *data, unsigned flags);
/** rh_aml_field_unit - the next @bits bits of the field, called @name; NULL for a gap */
void rh_aml_field_unit(RhAml *a, const char *name, unsigned bits);

/** rh_aml_mutex - Mutex(@name, 0) */
void rh_aml_mutex(RhAml *a, const char *name);
/** rh_aml_acquire - Acquire(@name, @timeout_ms); 0xffff waits for ever */
void rh_aml_acquire(RhAml *a, const char *name, uint16_t timeout_ms);
void rh_aml_release(RhAml *a, const char *name);

/* Whatever has a length: each is closed by rh_aml_end(). */

void rh_aml_scope_begin(RhAml *a, const char *path);
void rh_aml_device_begin(RhAml *a, const char *path);
/** rh_aml_method_begin - @args 0 to 7; @serialized if it creates objects or must not be re-entered
 */
void rh_aml_method_begin(RhAml *a, const char *path, unsigned args, bool serialized);
/** rh_aml_package_begin - exactly @count elements follow, at most 255 */
void rh_aml_package_begin(RhAml *a, unsigned count);
/** rh_aml_if_begin - the condition follows, then the statements */
void rh_aml_if_begin(RhAml *a);
/** rh_aml_else_begin - directly after the rh_aml_end() of an if */
void rh_aml_else_begin(RhAml *a);
/** rh_aml_while_begin - the condition follows, then the statements */
void rh_aml_while_begin(RhAml *a);
/** rh_aml_resources_begin - ResourceTemplate(); the end tag is written by rh_aml_end() */
void rh_aml_resources_begin(RhAml *a);
/** rh_aml_name_crs_begin - Name(_CRS, ResourceTemplate() ... */
void rh_aml_name_crs_begin(RhAml *a);
void rh_aml_end(RhAml *a);

/* Resource descriptors, §6.4; only inside rh_aml_resources_begin(). */

void rh_aml_res_io(RhAml *a, uint16_t min, uint16_t max, uint8_t align, uint8_t len);
/** rh_aml_res_irq - one ISA interrupt, edge, active high, exclusive (IRQNoFlags) */
void rh_aml_res_irq(RhAml *a, unsigned irq);
/** rh_aml_res_irqs - ISA interrupts of @mask, level, active low, shared */
void rh_aml_res_irqs(RhAml *a, uint16_t mask);
/** rh_aml_res_dma - ISA DMA channels of @mask, 8 bit, compatible speed */
void rh_aml_res_dma(RhAml *a, uint8_t mask);
void rh_aml_res_memory32_fixed(RhAml *a, uint32_t base, uint32_t len, bool writable);

/** Flags of an extended interrupt, §6.4.3.6; a consumed one always */
enum {
    RH_AML_INT_LEVEL_HIGH = 0x00,
    RH_AML_INT_EDGE = 0x02,
    RH_AML_INT_LOW = 0x04,
    RH_AML_INT_SHARED = 0x08,
};
void rh_aml_res_interrupts(RhAml *a, unsigned flags, const uint32_t *gsis, unsigned count);

/* Windows that a bridge produces: positive decode, [@min, @max] fixed. */
void rh_aml_res_bus_window(RhAml *a, uint16_t min, uint16_t max);
void rh_aml_res_io_window(RhAml *a, uint16_t min, uint16_t max);
/** Caching of a memory window, §6.4.3.5.5 */
enum { RH_AML_MEM_UNCACHED = 0, RH_AML_MEM_CACHED = 1, RH_AML_MEM_PREFETCH = 3 };
void rh_aml_res_memory32_window(RhAml *a, unsigned caching, uint32_t min, uint32_t max);
void rh_aml_res_memory64_window(RhAml *a, unsigned caching, uint64_t min, uint64_t max);

/* Idioms. */

/** rh_aml_prt_entry - one row of _PRT: @pin 0 (INTA) to 3 of @slot, to the link device @link, or to
 * @gsi when @link is NULL, §6.2.13 */
void rh_aml_prt_entry(RhAml *a, unsigned slot, unsigned pin, const char *link, uint32_t gsi);
/** rh_aml_gpe_begin - Method(_Lxx) or, when @edge, Method(_Exx) for general purpose event @gpe,
 * §5.6.4.1 */
void rh_aml_gpe_begin(RhAml *a, unsigned gpe, bool edge);
/** rh_aml_notify - Notify(@path, @value) */
void rh_aml_notify(RhAml *a, const char *path, unsigned value);

#endif
