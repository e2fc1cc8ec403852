/*
 * What all PC boards share: RAM around the hole below 4 GiB, firmware, CPUs, interrupt inputs.
 *
 * A board embeds RhPcBoard behind its RhMachine members. Lock: the machine lock.
 */
#ifndef RH_HW_I386_PC_H
#define RH_HW_I386_PC_H

#include "hw/core/isa.h"
#include "hw/core/machine.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/i386/e820.h"
#include "hw/pci/pci.h"
#include "softmmu/runstate.h"

typedef struct RhX86Cpu RhX86Cpu;       /* target/i386/cpu.h */

#define RH_4G UINT64_C(0x100000000)
enum { RH_PC_NR_GSIS = 24, RH_PC_MAX_GSIS = 48 };

/** RhPcFirmware - a ROM that ends at 4 GiB, its last 128 KiB also below 1 MiB */
typedef struct RhPcFirmware {
    RhRegion rom;
    RhRegion low;           /* alias */
    RhRam *ram;
} RhPcFirmware;

/**
 * RhPcIrqs - interrupt inputs 0..23, and 24..47 where there is a second I/O APIC: to the accelerator's chips, or to our
 * own. An input is the OR of its drivers.
 */
typedef struct RhPcIrqs {
    RhVm *vm;
    uint8_t drivers[RH_PC_MAX_GSIS];    /* bit 0: the chipset holds the input up, bit 1: the HPET */
    RhDevice *pic;          /* master 8259; NULL: none, or the accelerator's */
    RhDevice *ioapic;       /* NULL: the accelerator's */
    RhDevice *ioapic2;      /* NULL: none; always ours */
    RhDevice *apics;        /* bus of the local APICs; NULL: the accelerator's */
} RhPcIrqs;

typedef struct RhPcMachine {
    RhMachine parent;
    uint64_t max_ram_below_4g;  /* properties; 0: the board's */
    uint64_t max_fw_size;
    int acpi, smm, vmport, pic, pit;    /* RhOnOffAuto */
    bool has_hpet, has_smbus, has_sata, has_i8042;
    char *oem_id, *oem_table_id;
    char *smbios_entry_point;
    bool has_nvdimm, has_hmat;
    uint64_t below_4g;          /* wiring */
    uint64_t above_4g;
    uint64_t tables_size;       /* direct boot: bytes for ACPI tables at the end of RAM below 4 GiB */
    uint64_t vmgenid_page;      /* direct boot: address of the page with the generation id; 0: none */
    bool has_smm;               /* SMRAM is there, and SMIs reach CPUs */
    RhRegion all_ram;           /* RAM alone, whatever lies over it */
    RhRegion *ram;              /* its parts: one for each bank, one more where the hole below 4 GiB parts a bank */
    unsigned nr_ram;
    RhPcFirmware firmware;
    RhPcIrqs irqs;
    bool has_started;           /* the first reset is over */
    RhDevice *rtc;
    RhDevice *timer;            /* our own PIT; NULL: none, or the accelerator's */
    RhFwCfg *fw_cfg;
    RhIsaBus *isa;
    RhNotifier reset;           /* places images and CPUs after each reset */
} RhPcMachine;

#define RH_TYPE_PC_MACHINE "generic-pc-machine"

/** rh_pc_map_ram - @low_limit bytes below 4 GiB at most, the rest above; shows both */
bool rh_pc_map_ram(RhPcMachine *pc, uint64_t low_limit, GError **err);
/**
 * rh_pc_settle_smm - machine option smm=: whether there is system management mode, if the board's chipset can; false: it cannot, or the
 * accelerator, and the user asked
 */
bool rh_pc_settle_smm(RhPcMachine *pc, bool can_chipset, GError **err);
/**
 * rh_pc_raise_smi - an SMI, caused by what the calling vCPU does (by nobody's doing: for the first); @to_all: for all CPUs. @irqs: the
 * board's RhPcIrqs
 */
void rh_pc_raise_smi(void *irqs, bool to_all);
/** RhPcRam - where a part of a bank of RAM appears */
typedef struct RhPcRam {
    RhRam *ram;
    uint64_t offset;            /* in @ram */
    uint64_t base;              /* guest address */
    uint64_t size;
    unsigned node;
} RhPcRam;
/** rh_pc_ram_layout - all parts, by address; the array is the caller's. below_4g is known by then. */
RhPcRam *rh_pc_ram_layout(const RhPcMachine *pc, unsigned *ret_nr);
/** rh_pc_load_firmware - the -bios image, or @fallback, into @memory; its size must be a multiple of 64 KiB */
bool rh_pc_load_firmware(RhPcMachine *pc, const char *fallback, RhRegion *memory, GError **err);
/** rh_pc_set_up_irqchip - ask the accelerator for its interrupt chips; @kind: what the board wants unless the user asks */
bool rh_pc_set_up_irqchip(RhPcMachine *pc, RhIrqchip kind, bool has_pit, GError **err);
/** rh_pc_set_gsi, rh_pc_set_hpet_gsi - RhPinFns whose opaque is the board's RhPcIrqs: for the chipset, for the HPET */
void rh_pc_set_gsi(void *irqs, unsigned gsi, int level);
void rh_pc_set_hpet_gsi(void *irqs, unsigned gsi, int level);
/** rh_pc_request - the accelerator's vcpu_interrupt, where it has one; SMIs only where the board has system management mode */
void rh_pc_request(RhVcpu *vcpu, int kind, int level);
/** rh_pc_make_cpus - the -smp CPUs, threads and all */
bool rh_pc_make_cpus(RhMachine *machine, GError **err);
/**
 * rh_pc_make_chips - interrupt controllers and timer of our own where the accelerator has none; RTC, and fw_cfg
 * @isa takes those that sit there
 */
bool rh_pc_make_chips(RhPcMachine *pc, RhIsaBus *isa, bool has_rtc, GError **err);
/** rh_pc_make_apic_bus - the rest of the way to CPUs behind our own chips, which exist; rh_pc_make_apic - @cpu's part of it */
bool rh_pc_make_apic_bus(RhPcMachine *pc, GError **err);
bool rh_pc_make_apic(RhPcMachine *pc, RhX86Cpu *cpu, GError **err);
/** rh_pc_make_ioapic2 - inputs 24 to 47; after the other chips, which must be ours as far as I/O APICs go */
bool rh_pc_make_ioapic2(RhPcMachine *pc, GError **err);
/** rh_pc_drive_intr - an RhPinFn for the 8259's INTR; its opaque is the RhVm */
void rh_pc_drive_intr(void *vm, unsigned pin, int level);
/** rh_pc_make_legacy - speaker, port 92, keyboard controller */
bool rh_pc_make_legacy(RhPcMachine *pc, GError **err);
/** rh_pc_make_hpet - unless hpet=off; @routes: interrupt inputs it may be routed to, as a number, bit by bit */
bool rh_pc_make_hpet(RhPcMachine *pc, const char *routes, GError **err);
/** rh_pc_describe - what firmware reads: CMOS memory sizes, fw_cfg items; all devices exist by now */
bool rh_pc_describe(RhPcMachine *pc, GError **err);
enum { RH_PC_MAX_RANGES = 16, RH_PC_TABLES_LOW = 0xe0000 };
/** rh_pc_memory_map - E820 rows for direct boot, at most RH_PC_MAX_RANGES; @ecam_size 0: none. Returns how many. */
size_t rh_pc_memory_map(const RhPcMachine *pc, uint64_t ecam_base, uint64_t ecam_size, RhE820Entry *ret);

#endif
