/*
 * Offsets and bits of PCI configuration space (PCI Local Bus 3.0 §6, PCI Express Base 4.0 §7,
 * PCI-to-PCI Bridge 1.2 §3). Only what the emulation reads or writes by name.
 */
#ifndef RH_HW_PCI_PCI_REGS_H
#define RH_HW_PCI_PCI_REGS_H

#define RH_PCI_CONFIG_SIZE  256u
#define RH_PCIE_CONFIG_SIZE 4096u

enum {                              /* common header */
    RH_PCI_VENDOR_ID       = 0x00,
    RH_PCI_DEVICE_ID       = 0x02,
    RH_PCI_COMMAND         = 0x04,
    RH_PCI_STATUS          = 0x06,
    RH_PCI_REVISION        = 0x08,
    RH_PCI_PROG_IF         = 0x09,
    RH_PCI_CLASS           = 0x0a,
    RH_PCI_CACHE_LINE      = 0x0c,
    RH_PCI_LATENCY         = 0x0d,
    RH_PCI_HEADER_TYPE     = 0x0e,
    RH_PCI_BIST            = 0x0f,
    RH_PCI_BAR0            = 0x10,
    RH_PCI_SUBSYSTEM_VENDOR = 0x2c,
    RH_PCI_SUBSYSTEM_ID    = 0x2e,
    RH_PCI_ROM_BAR         = 0x30,
    RH_PCI_CAPABILITIES    = 0x34,
    RH_PCI_INTERRUPT_LINE  = 0x3c,
    RH_PCI_INTERRUPT_PIN   = 0x3d,
};
enum {                              /* type 1 header */
    RH_PCI_PRIMARY_BUS      = 0x18,
    RH_PCI_SECONDARY_BUS    = 0x19,
    RH_PCI_SUBORDINATE_BUS  = 0x1a,
    RH_PCI_IO_BASE          = 0x1c,
    RH_PCI_IO_LIMIT         = 0x1d,
    RH_PCI_SECONDARY_STATUS = 0x1e,
    RH_PCI_MEMORY_BASE      = 0x20,
    RH_PCI_MEMORY_LIMIT     = 0x22,
    RH_PCI_PREF_BASE        = 0x24,
    RH_PCI_PREF_LIMIT       = 0x26,
    RH_PCI_PREF_BASE_UPPER  = 0x28,
    RH_PCI_PREF_LIMIT_UPPER = 0x2c,
    RH_PCI_IO_BASE_UPPER    = 0x30,
    RH_PCI_IO_LIMIT_UPPER   = 0x32,
    RH_PCI_BRIDGE_ROM_BAR   = 0x38,
    RH_PCI_BRIDGE_CONTROL   = 0x3e,
};

#define RH_PCI_COMMAND_IO         0x0001u
#define RH_PCI_COMMAND_MEMORY     0x0002u
#define RH_PCI_COMMAND_MASTER     0x0004u
#define RH_PCI_COMMAND_PARITY     0x0040u
#define RH_PCI_COMMAND_SERR       0x0100u
#define RH_PCI_COMMAND_INTX_OFF   0x0400u

#define RH_PCI_STATUS_INTERRUPT   0x0008u
#define RH_PCI_STATUS_CAP_LIST    0x0010u
#define RH_PCI_STATUS_66MHZ       0x0020u
#define RH_PCI_STATUS_FAST_BACK   0x0080u
#define RH_PCI_STATUS_DEVSEL_MEDIUM 0x0200u

#define RH_PCI_HEADER_BRIDGE      0x01u
#define RH_PCI_HEADER_MULTIFUNCTION 0x80u

#define RH_PCI_BAR_IO             0x1u
#define RH_PCI_BAR_MEM32          0x0u
#define RH_PCI_BAR_MEM64          0x4u
#define RH_PCI_BAR_PREFETCH       0x8u
#define RH_PCI_ROM_ENABLE         0x1u

#define RH_PCI_BRIDGE_PARITY      0x0001u
#define RH_PCI_BRIDGE_SERR        0x0002u
#define RH_PCI_BRIDGE_ISA         0x0004u
#define RH_PCI_BRIDGE_VGA         0x0008u
#define RH_PCI_BRIDGE_VGA16       0x0010u
#define RH_PCI_BRIDGE_RESET       0x0040u

enum {                              /* capability ids */
    RH_PCI_CAP_PM      = 0x01,
    RH_PCI_CAP_SLOT_ID = 0x04,
    RH_PCI_CAP_MSI     = 0x05,
    RH_PCI_CAP_VENDOR  = 0x09,
    RH_PCI_CAP_SHPC    = 0x0c,
    RH_PCI_CAP_SSVID   = 0x0d,
    RH_PCI_CAP_EXPRESS = 0x10,
    RH_PCI_CAP_MSIX    = 0x11,
};
enum {                              /* extended capability ids */
    RH_PCI_EXT_CAP_AER = 0x0001,
    RH_PCI_EXT_CAP_DSN = 0x0003,
    RH_PCI_EXT_CAP_ACS = 0x000d,
    RH_PCI_EXT_CAP_ARI = 0x000e,
    RH_PCI_EXT_CAP_ATS = 0x000f,
};

enum {                              /* MSI, PCI 3.0 §6.8.1 */
    RH_PCI_MSI_CONTROL = 0x02,
    RH_PCI_MSI_ADDRESS = 0x04,
    RH_PCI_MSI_UPPER   = 0x08,      /* 64-bit form only */
};
#define RH_PCI_MSI_ENABLE     0x0001u
#define RH_PCI_MSI_64BIT      0x0080u
#define RH_PCI_MSI_MASKABLE   0x0100u

enum {                              /* MSI-X, PCI 3.0 §6.8.2 */
    RH_PCI_MSIX_CONTROL = 0x02,
    RH_PCI_MSIX_TABLE   = 0x04,
    RH_PCI_MSIX_PBA     = 0x08,
};
#define RH_PCI_MSIX_MASK_ALL  0x4000u
#define RH_PCI_MSIX_ENABLE    0x8000u
#define RH_PCI_MSIX_MAX       2048u

enum {                              /* PCI Express capability, PCIe 4.0 §7.5.3 */
    RH_PCIE_FLAGS         = 0x02,
    RH_PCIE_DEVICE_CAP    = 0x04,
    RH_PCIE_DEVICE_CTL    = 0x08,
    RH_PCIE_DEVICE_STATUS = 0x0a,
    RH_PCIE_LINK_CAP      = 0x0c,
    RH_PCIE_LINK_CTL      = 0x10,
    RH_PCIE_LINK_STATUS   = 0x12,
    RH_PCIE_SLOT_CAP      = 0x14,
    RH_PCIE_SLOT_CTL      = 0x18,
    RH_PCIE_SLOT_STATUS   = 0x1a,
    RH_PCIE_ROOT_CTL      = 0x1c,
    RH_PCIE_ROOT_CAP      = 0x1e,
    RH_PCIE_ROOT_STATUS   = 0x20,
    RH_PCIE_DEVICE_CAP2   = 0x24,
    RH_PCIE_DEVICE_CTL2   = 0x28,
    RH_PCIE_LINK_CAP2     = 0x2c,
    RH_PCIE_LINK_CTL2     = 0x30,
    RH_PCIE_LINK_STATUS2  = 0x32,
    RH_PCIE_CAP_LEN       = 0x3c,
};
typedef enum RhPcieType {           /* device/port type in the flags register */
    RH_PCIE_ENDPOINT      = 0x0,
    RH_PCIE_ROOT_PORT     = 0x4,
    RH_PCIE_UPSTREAM      = 0x5,
    RH_PCIE_DOWNSTREAM    = 0x6,
    RH_PCIE_TO_PCI_BRIDGE = 0x7,
    RH_PCIE_INTEGRATED    = 0x9,
} RhPcieType;
#define RH_PCIE_FLAGS_SLOT        0x0100u
#define RH_PCIE_LINK_ACTIVE       0x2000u
#define RH_PCIE_FLR_CAP           0x10000000u
#define RH_PCIE_FLR               0x8000u

/* Slot capabilities, control and status, PCIe 4.0 §7.5.3.9-11 */
#define RH_PCIE_SLOT_HAS_BUTTON    0x00000001u
#define RH_PCIE_SLOT_HAS_POWER     0x00000002u
#define RH_PCIE_SLOT_HAS_ATTN_LED  0x00000008u
#define RH_PCIE_SLOT_HAS_POWER_LED 0x00000010u
#define RH_PCIE_SLOT_SURPRISE      0x00000020u
#define RH_PCIE_SLOT_HOTPLUG       0x00000040u
#define RH_PCIE_SLOT_HAS_LOCK      0x00020000u
#define RH_PCIE_SLOT_NUMBER_SHIFT  19

#define RH_PCIE_SLOT_CTL_BUTTON    0x0001u
#define RH_PCIE_SLOT_CTL_PRESENCE  0x0008u
#define RH_PCIE_SLOT_CTL_COMMAND   0x0010u
#define RH_PCIE_SLOT_CTL_HOTPLUG   0x0020u
#define RH_PCIE_SLOT_CTL_ATTN_LED  0x00c0u
#define RH_PCIE_SLOT_CTL_POWER_LED 0x0300u
#define RH_PCIE_SLOT_CTL_POWER_LED_OFF 0x0300u
#define RH_PCIE_SLOT_CTL_POWER_OFF 0x0400u
#define RH_PCIE_SLOT_CTL_LOCK      0x0800u
#define RH_PCIE_SLOT_CTL_LINK      0x1000u

#define RH_PCIE_SLOT_BUTTON        0x0001u
#define RH_PCIE_SLOT_POWER_FAULT   0x0002u
#define RH_PCIE_SLOT_LATCH_CHANGED 0x0004u
#define RH_PCIE_SLOT_PRESENCE_CHANGED 0x0008u
#define RH_PCIE_SLOT_COMMAND_DONE  0x0010u
#define RH_PCIE_SLOT_PRESENT       0x0040u
#define RH_PCIE_SLOT_LINK_CHANGED  0x0100u
#define RH_PCIE_SLOT_EVENTS        0x011fu

#endif
