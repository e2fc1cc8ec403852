/*
 * The Q35 chipset: memory controller hub (mch) behind host bridge q35-pcihost, and the LPC bridge of the ICH9.
 * Spec: Intel 3 Series Express Chipset datasheet (316966), ICH9 datasheet (316972).
 */
#ifndef RH_HW_I386_Q35_H
#define RH_HW_I386_Q35_H

#include "hw/acpi/ich9-pm.h"
#include "hw/core/isa.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/host.h"

#define RH_TYPE_Q35_HOST "q35-pcihost"
#define RH_TYPE_MCH      "mch"
#define RH_TYPE_ICH9_LPC "ICH9-LPC"

#define RH_Q35_ECAM_BASE UINT64_C(0xb0000000)
#define RH_Q35_ECAM_SIZE UINT64_C(0x10000000)
#define RH_ICH9_PM_BASE  0x600u         /* where firmware puts the power management ports */
#define RH_ICH9_RCBA     0xfed1c000u

enum { RH_Q35_NR_PAM = 13, RH_ICH9_NR_PIRQS = 8, RH_ICH9_NR_GSIS = 24, RH_ICH9_RCRB_SIZE = 0x4000 };

/** RhQ35Host - its board sets ram and sizes before realize, and owns neither */
typedef struct RhQ35Host {
    RhPciHost parent;
    RhRam *ram;                 /* the machine's; addresses below 4 GiB are offsets in it */
    uint64_t below_4g;          /* bytes of it below 4 GiB */
    uint64_t above_4g;
    RhRegion *all_ram;          /* the board's container of RAM alone; needed for has_smm */
    bool has_smm;               /* there is SMRAM, in vm->smm_memory */
    uint64_t hole64_size;       /* property */
    RhRegion pci_memory;        /* what is not RAM belongs to PCI */
} RhQ35Host;

/** RhMch - device 00:00.0; all its registers are configuration space */
typedef struct RhMch {
    RhPciDevice parent;
    uint16_t extended_tseg_mbytes;
    bool has_smbase_smram;
    RhQ35Host *host;            /* wiring */
    RhRegion pam_pci[RH_Q35_NR_PAM];
    RhRegion pam_rom[RH_Q35_NR_PAM];
    RhRegion legacy_hole;       /* 640 KiB to 1 MiB of the bus, where no device answers: not RAM shining through */
    RhRegion smram_pci;         /* closed to CPUs: what is on the bus at 0xa0000 */
    RhRegion high_open;         /* D_OPEN: SMRAM at its high address, for everyone */
    RhRegion tseg;              /* closed to CPUs: nothing */
    RhSpace *smm_memory;        /* NULL: no CPU has system management mode */
    RhRegion smm_root;          /* all of memory, and over it: */
    RhRegion smm_rest;
    RhRegion smm_segment;       /* 128 KiB, at 0xa0000 or high */
    RhRegion smm_tseg;
} RhMch;

typedef struct RhIch9LpcState {
    RhIch9PmRegs pm;
    uint8_t apm_control;
    uint8_t apm_status;
    uint8_t reset_control;
    uint8_t rcrb[RH_ICH9_RCRB_SIZE];
    uint8_t pirq_levels;        /* what PCI drives, one bit each */
    uint64_t smi_wanted;        /* by firmware: RH_SMI_*, little-endian; lpc-smi.c */
    uint64_t smi_features;      /* agreed */
    uint8_t is_smi_agreed;      /* until reset */
} RhIch9LpcState;

/** RhIch9Lpc - device 00:1f.0; provides isa.0. Its board sets set_gsi and raise_smi before realize. */
typedef struct RhIch9Lpc {
    RhPciDevice parent;
    uint8_t disable_s3;
    uint8_t disable_s4;
    uint8_t s4_val;
    bool no_reboot;
    bool is_smm_compat;
    bool has_smi_broadcast, has_smi_cpu_hotplug, has_smi_cpu_hotunplug;
    RhIsaBus *isa;
    RhPinFn *set_gsi;           /* board's interrupt inputs 0..23 */
    void *gsi_opaque;
    void (*raise_smi)(void *opaque, bool to_all);   /* NULL: the board has no system management mode */
    void *smi_opaque;
    uint64_t smi_offered;       /* RH_SMI_*, little-endian */
    uint32_t gsi_sources[RH_ICH9_NR_GSIS];  /* who holds each input up; derived */
    RhIch9Pm pm;
    RhRegion pm_ports;
    RhRegion apm_ports;
    RhRegion reset_port;
    RhRegion rcrb;
    uint16_t pm_base_mapped;    /* 0: not */
    uint32_t rcba_mapped;       /* 0: not */
    RhIch9LpcState regs;
} RhIch9Lpc;

/** RH_SMI_BROADCAST - the APM port's SMI goes to all CPUs, not only to the one that wrote */
#define RH_SMI_BROADCAST 1u
/** rh_ich9_offer_smi - let firmware choose, by files of @fw (lpc-smi.c). false: there is no room for them. */
bool rh_ich9_offer_smi(RhIch9Lpc *lpc, RhFwCfg *fw, GError **err);
/** rh_ich9_connect_pci - let the root bus's pins reach the LPC bridge's PIRQ inputs */
void rh_ich9_connect_pci(RhIch9Lpc *lpc, RhPciBus *bus);

#endif
