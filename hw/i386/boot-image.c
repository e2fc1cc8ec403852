/*
 * boot-image - parses kernels for direct boot.
 */
#include "hw/i386/boot-image.h"

#include <elf.h>

#include "util/error.h"

typedef struct Source {
    const char *name;
    const uint8_t *bytes;
    size_t len;
} Source;

/* PARSE_OTHER: not of this kind, try the next; err is not set. */
typedef enum Parsed { PARSE_OK, PARSE_OTHER, PARSE_BAD } Parsed;

enum {
    MIB = 0x100000,
    LOW_LIMIT = 0x10000
};                                       /* Multiboot may load low, but not over our boot data */
#define HIGH_LIMIT UINT64_C(0x100000000) /* all three protocols start below 4 GiB */

static Parsed add_load(const Source *s, RhBootImage *image, RhBootLoad load, uint64_t lowest,
                       GError **err)
{
    uint64_t end;

    if (load.mem_len == 0) {
        return PARSE_OK;
    }
    if (rh_add_overflow(load.gpa, load.mem_len, &end) || load.gpa < lowest || end > HIGH_LIMIT) {
        rh_fail(err,
                "Kernel '%s' wants %" PRIu64 " bytes at 0x%" PRIx64 ", must lie between 0x%" PRIx64
                " and 4 GiB",
                s->name, load.mem_len, load.gpa, lowest);
        return PARSE_BAD;
    }
    if (image->nr_loads == RH_BOOT_MAX_LOADS) {
        rh_fail(err, "Kernel '%s' has more than %d segments to load", s->name, RH_BOOT_MAX_LOADS);
        return PARSE_BAD;
    }
    image->low = image->nr_loads ? MIN(image->low, load.gpa) : load.gpa;
    image->high = MAX(image->high, end);
    image->loads[image->nr_loads++] = load;
    return PARSE_OK;
}

/* ELF, 32 and 64 bits in one shape */

typedef struct Elf {
    bool is_64;
    uint64_t entry, phoff;
    unsigned phnum, phentsize;
} Elf;

typedef struct Segment {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz, align;
} Segment;

static bool elf_header(const Source *s, Elf *elf)
{
    if (s->len < sizeof(Elf32_Ehdr) || memcmp(s->bytes, ELFMAG, SELFMAG) ||
        s->bytes[EI_DATA] != ELFDATA2LSB) {
        return false;
    }
    if (s->bytes[EI_CLASS] == ELFCLASS64 && s->len >= sizeof(Elf64_Ehdr)) {
        Elf64_Ehdr h;
        memcpy(&h, s->bytes, sizeof(h));
        *elf = (Elf){ true, h.e_entry, h.e_phoff, h.e_phnum, h.e_phentsize };
        return h.e_machine == EM_X86_64 && h.e_phentsize == sizeof(Elf64_Phdr);
    }
    if (s->bytes[EI_CLASS] == ELFCLASS32) {
        Elf32_Ehdr h;
        memcpy(&h, s->bytes, sizeof(h));
        *elf = (Elf){ false, h.e_entry, h.e_phoff, h.e_phnum, h.e_phentsize };
        return h.e_machine == EM_386 && h.e_phentsize == sizeof(Elf32_Phdr);
    }
    return false;
}

static bool elf_segment(const Source *s, const Elf *elf, unsigned i, Segment *seg, GError **err)
{
    uint64_t at;

    if (rh_add_overflow(elf->phoff, (uint64_t)i * elf->phentsize, &at) ||
        !rh_range_ok(at, elf->phentsize, s->len)) {
        return rh_fail(err, "Kernel '%s' is cut short: ELF program header %u is outside the file",
                       s->name, i);
    }
    if (elf->is_64) {
        Elf64_Phdr p;
        memcpy(&p, s->bytes + at, sizeof(p));
        *seg = (Segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz, p.p_align };
    } else {
        Elf32_Phdr p;
        memcpy(&p, s->bytes + at, sizeof(p));
        *seg = (Segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz, p.p_align };
    }
    bool matters = seg->type == PT_LOAD || seg->type == PT_NOTE;
    if (matters && !rh_range_ok(seg->offset, seg->filesz, s->len)) {
        return rh_fail(err,
                       "Kernel '%s' is cut short: ELF segment %u has %" PRIu64 " bytes at %" PRIu64
                       ", the file %zu",
                       s->name, i, seg->filesz, seg->offset, s->len);
    }
    if (seg->type == PT_LOAD && seg->filesz > seg->memsz) {
        return rh_fail(err,
                       "Kernel '%s': ELF segment %u is larger in the file (%" PRIu64
                       ") than in memory (%" PRIu64 ")",
                       s->name, i, seg->filesz, seg->memsz);
    }
    return true;
}

static Parsed elf_loads(const Source *s, const Elf *elf, RhBootImage *image, uint64_t lowest,
                        GError **err)
{
    for (unsigned i = 0; i < elf->phnum; i++) {
        Segment seg;
        if (!elf_segment(s, elf, i, &seg, err)) {
            return PARSE_BAD;
        }
        if (seg.type == PT_LOAD) {
            RhBootLoad load = { seg.paddr, s->bytes + seg.offset, seg.filesz, seg.memsz };
            if (add_load(s, image, load, lowest, err) != PARSE_OK) {
                return PARSE_BAD;
            }
        }
    }
    return PARSE_OK;
}

enum { NOTE_PHYS32_ENTRY = 18 }; /* XEN_ELFNOTE_PHYS32_ENTRY */

/* Notes are padded to four bytes, or to eight in segments aligned so (gABI, and what compilers
 * emit). */
static bool find_pvh_note(const uint8_t *notes, uint64_t len, uint64_t align, uint64_t *ret_entry)
{
    uint64_t at = 0;

    while (rh_range_ok(at, 12, len)) {
        uint64_t namesz = rh_ld32(notes + at);
        uint64_t descsz = rh_ld32(notes + at + 4);
        uint64_t name_at = at + 12;
        uint64_t desc_at = rh_align_up(name_at + namesz, align);
        if (!rh_range_ok(name_at, namesz, len) || !rh_range_ok(desc_at, descsz, len)) {
            return false;
        }
        if (rh_ld32(notes + at + 8) == NOTE_PHYS32_ENTRY && namesz == 4 &&
            !memcmp(notes + name_at, "Xen", 4) && (descsz == 4 || descsz == 8)) {
            *ret_entry = rh_ld(notes + desc_at, (unsigned)descsz);
            return true;
        }
        at = rh_align_up(desc_at + descsz, align);
    }
    return false;
}

static Parsed check_entry(const Source *s, const RhBootImage *image, GError **err)
{
    for (unsigned i = 0; i < image->nr_loads; i++) {
        if (image->entry - image->loads[i].gpa < image->loads[i].mem_len) {
            return PARSE_OK;
        }
    }
    rh_fail(err, "Kernel '%s' enters at 0x%" PRIx64 ", which is outside what it loads", s->name,
            image->entry);
    return PARSE_BAD;
}

static Parsed parse_pvh(const Source *s, RhBootImage *image, GError **err)
{
    Elf elf;
    bool found = false;

    if (!elf_header(s, &elf)) {
        return PARSE_OTHER;
    }
    for (unsigned i = 0; i < elf.phnum && !found; i++) {
        Segment seg;
        if (!elf_segment(s, &elf, i, &seg, err)) {
            return PARSE_BAD;
        }
        found = seg.type == PT_NOTE && find_pvh_note(s->bytes + seg.offset, seg.filesz,
                                                     seg.align == 8 ? 8 : 4, &image->entry);
    }
    if (!found) {
        return PARSE_OTHER;
    }
    image->kind = RH_BOOT_PVH;
    Parsed parsed = elf_loads(s, &elf, image, MIB, err);
    return parsed == PARSE_OK ? check_entry(s, image, err) : parsed;
}

/* Multiboot 0.6.96 §3.1: the header is in the first 8192 bytes, 32-bit aligned. */
enum {
    MB_SEARCH = 8192,
    MB_FLAGS_AT = 4,
    MB_CHECKSUM_AT = 8,
    MB_HEADER_ADDR_AT = 12,
    MB_LOAD_ADDR_AT = 16,
    MB_LOAD_END_AT = 20,
    MB_BSS_END_AT = 24,
    MB_ENTRY_AT = 28,
    MB_ADDRESSES_END = 32,
};
#define MB_MAGIC     0x1badb002u
#define MB_MANDATORY 0x0000ffffu /* flags that we must understand or refuse */
#define MB_KNOWN     0x00000007u /* page-aligned modules, memory map, video (a wish, not granted) */
#define MB_ADDRESSES 0x00010000u

static bool find_multiboot(const Source *s, RhBootImage *image)
{
    for (uint64_t at = 0; at < MB_SEARCH && rh_range_ok(at, 12, s->len); at += 4) {
        uint32_t flags = rh_ld32(s->bytes + at + MB_FLAGS_AT);
        uint32_t sum = MB_MAGIC + flags + rh_ld32(s->bytes + at + MB_CHECKSUM_AT);
        if (rh_ld32(s->bytes + at) == MB_MAGIC && sum == 0) {
            image->multiboot_at = at;
            image->multiboot_flags = flags;
            return true;
        }
    }
    return false;
}

/* §3.1.3: the header gives the addresses itself; ends of zero mean "to the end of the file" and "no
 * bss". */
static Parsed multiboot_flat(const Source *s, RhBootImage *image, GError **err)
{
    if (!rh_range_ok(image->multiboot_at, MB_ADDRESSES_END, s->len)) {
        rh_fail(err, "Kernel '%s' is cut short inside its multiboot header", s->name);
        return PARSE_BAD;
    }
    const uint8_t *h = s->bytes + image->multiboot_at;
    uint64_t header = rh_ld32(h + MB_HEADER_ADDR_AT), load = rh_ld32(h + MB_LOAD_ADDR_AT);
    uint64_t load_end = rh_ld32(h + MB_LOAD_END_AT), bss_end = rh_ld32(h + MB_BSS_END_AT);
    if (header < load || header - load > image->multiboot_at) {
        rh_fail(err,
                "Kernel '%s': multiboot load address 0x%" PRIx64
                " does not fit its header's, 0x%" PRIx64,
                s->name, load, header);
        return PARSE_BAD;
    }
    uint64_t from = image->multiboot_at - (header - load);
    uint64_t len = load_end ? load_end - load : s->len - from;
    if ((load_end && load_end < load) || !rh_range_ok(from, len, s->len) ||
        (bss_end && bss_end < load + len)) {
        rh_fail(err,
                "Kernel '%s': multiboot addresses 0x%" PRIx64 " to 0x%" PRIx64 ", bss to 0x%" PRIx64
                " do not fit a file of %zu bytes",
                s->name, load, load_end, bss_end, s->len);
        return PARSE_BAD;
    }
    image->entry = rh_ld32(h + MB_ENTRY_AT);
    RhBootLoad part = { load, s->bytes + from, len, bss_end ? bss_end - load : len };
    return add_load(s, image, part, LOW_LIMIT, err);
}

static Parsed parse_multiboot(const Source *s, RhBootImage *image, GError **err)
{
    if (!find_multiboot(s, image)) {
        return PARSE_OTHER;
    }
    image->kind = RH_BOOT_MULTIBOOT;
    uint32_t unknown = image->multiboot_flags & MB_MANDATORY & ~MB_KNOWN;
    if (unknown) {
        rh_fail(err, "Kernel '%s' demands multiboot features 0x%x, 0x7 are known", s->name,
                unknown);
        return PARSE_BAD;
    }
    Parsed parsed;
    if (image->multiboot_flags & MB_ADDRESSES) {
        parsed = multiboot_flat(s, image, err);
    } else {
        Elf elf;
        if (!elf_header(s, &elf) || elf.is_64) {
            rh_fail(err,
                    "Kernel '%s' has a multiboot header without addresses, so it must be a 32-bit "
                    "x86 ELF",
                    s->name);
            return PARSE_BAD;
        }
        image->entry = elf.entry;
        parsed = elf_loads(s, &elf, image, LOW_LIMIT, err);
    }
    return parsed == PARSE_OK ? check_entry(s, image, err) : parsed;
}

/* Linux boot protocol, boot.rst "The Real-Mode Kernel Header" */
enum {
    LX_SETUP_SECTS = 0x1f1,
    LX_BOOT_FLAG = 0x1fe,
    LX_HEADER = 0x202,
    LX_VERSION = 0x206,
    LX_LOADFLAGS = 0x211,
    LX_INITRD_MAX = 0x22c,
    LX_RELOCATABLE = 0x234,
    LX_XLOADFLAGS = 0x236,
    LX_CMDLINE_SIZE = 0x238,
    LX_PREF_ADDRESS = 0x258,
    LX_INIT_SIZE = 0x260,
    LX_HEADER_END = 0x264,
};
enum { LOADED_HIGH = 0x01, XLF_KERNEL_64 = 0x01, ENTRY_64_AT = 0x200 };

static void linux_limits(const uint8_t *h, RhBootImage *image, uint64_t payload)
{
    uint16_t version = image->protocol;

    image->initrd_max = version >= 0x203 ? rh_ld32(h + LX_INITRD_MAX) : 0x37ffffff;
    image->cmdline_size = version >= 0x206 ? rh_ld32(h + LX_CMDLINE_SIZE) : 255;
    image->load_addr = MIB;
    image->init_size = payload;
    image->init_addr = MIB;
    if (version >= 0x20a) {
        uint64_t wanted = rh_ld64(h + LX_PREF_ADDRESS);
        image->init_size = MAX(payload, rh_ld32(h + LX_INIT_SIZE));
        /* One that cannot be relocated is loaded at 1 MiB all the same, and moves itself there. */
        image->load_addr = h[LX_RELOCATABLE] ? wanted : MIB;
        image->init_addr = wanted;
    }
}

static Parsed linux_payload(const Source *s, RhBootImage *image, GError **err)
{
    const uint8_t *h = s->bytes;
    uint64_t payload = s->len - image->setup_len;

    linux_limits(h, image, payload);
    bool is_64 = image->protocol >= 0x20c && (rh_ld16(h + LX_XLOADFLAGS) & XLF_KERNEL_64);
    if (is_64 && payload <= ENTRY_64_AT) {
        rh_fail(err, "Kernel '%s' is cut short: no code at its 64-bit entry point", s->name);
        return PARSE_BAD;
    }
    if (image->init_addr > HIGH_LIMIT) {
        rh_fail(err, "Kernel '%s' wants to run at 0x%" PRIx64 ", must be below 4 GiB", s->name,
                image->init_addr);
        return PARSE_BAD;
    }
    /* Memory from the payload's end to init_size need not be clear, only there. */
    RhBootLoad load = { image->load_addr, h + image->setup_len, payload, payload };
    Parsed parsed = add_load(s, image, load, MIB, err);
    if (parsed == PARSE_OK) {
        image->entry = is_64 ? image->load_addr + ENTRY_64_AT : 0;
        image->high = MAX(image->high, image->init_addr + image->init_size);
    }
    return parsed;
}

static Parsed parse_linux(const Source *s, RhBootImage *image, GError **err)
{
    const uint8_t *h = s->bytes;

    if (s->len < LX_HEADER_END || rh_ld16(h + LX_BOOT_FLAG) != 0xaa55 ||
        memcmp(h + LX_HEADER, "HdrS", 4)) {
        return PARSE_OTHER;
    }
    image->kind = RH_BOOT_LINUX;
    image->protocol = rh_ld16(h + LX_VERSION);
    if (image->protocol < 0x200 || !(h[LX_LOADFLAGS] & LOADED_HIGH)) {
        rh_fail(err,
                "Kernel '%s' uses Linux boot protocol %u.%02u%s, need a bzImage of 2.00 or newer",
                s->name, image->protocol >> 8, image->protocol & 0xff,
                h[LX_LOADFLAGS] & LOADED_HIGH ? "" : " and is a zImage");
        return PARSE_BAD;
    }
    size_t sectors = h[LX_SETUP_SECTS] ? h[LX_SETUP_SECTS] : 4; /* 0 means 4, for old kernels */
    image->setup = h;
    image->setup_len = (sectors + 1) * 512;
    if (image->setup_len >= s->len) {
        rh_fail(err, "Kernel '%s' is cut short: %zu bytes of setup in a file of %zu", s->name,
                image->setup_len, s->len);
        return PARSE_BAD;
    }
    return linux_payload(s, image, err);
}

bool rh_boot_image_parse(const char *name, const void *file, size_t len, RhBootImage *ret_image,
                         GError **err)
{
    static Parsed (*const parsers[])(const Source *, RhBootImage *, GError **) = {
        parse_linux,
        parse_multiboot,
        parse_pvh,
    };
    Source s = { name, file, len };

    for (unsigned i = 0; i < RH_COUNT(parsers); i++) {
        RhBootImage image = { 0 };
        Parsed parsed = parsers[i](&s, &image, err);
        if (parsed == PARSE_OK) {
            *ret_image = image;
        }
        if (parsed != PARSE_OTHER) {
            return parsed == PARSE_OK;
        }
    }
    return rh_fail(err,
                   "Kernel '%s' is neither a bzImage nor an ELF with a PVH note nor multiboot: "
                   "%zu bytes without any of their headers",
                   name, len);
}
