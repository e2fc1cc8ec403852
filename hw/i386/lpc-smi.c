/*
 * What the ICH9's LPC bridge agrees on with firmware about its SMIs, by three fw_cfg files: firmware reads what is offered, writes what it
 * wants of it, and selects "features-ok", which reads as 1 when that is granted. It holds until reset.
 * Spec: the interface as OVMF documents it (SmiFeatures).  Lock: machine lock.
 */
#include "hw/i386/q35.h"

static void agree(void *opaque)
{
    RhIch9Lpc *lpc = opaque;
    RhIch9LpcState *regs = &lpc->regs;

    if (!regs->is_smi_agreed && !(regs->smi_wanted & ~lpc->smi_offered)) {
        regs->smi_features = GUINT64_FROM_LE(regs->smi_wanted);
        regs->is_smi_agreed = true;
    }
}

bool rh_ich9_offer_smi(RhIch9Lpc *lpc, RhFwCfg *fw, GError **err)
{
    RhIch9LpcState *regs = &lpc->regs;
    const RhFwCfgFile wanted = { .name = "etc/smi/requested-features", .data = &regs->smi_wanted, .len = sizeof(regs->smi_wanted),
                                 .is_writable = true };
    const RhFwCfgFile agreed = { .name = "etc/smi/features-ok", .data = &regs->is_smi_agreed, .len = sizeof(regs->is_smi_agreed),
                                 .select = agree, .opaque = lpc };

    lpc->smi_offered = GUINT64_TO_LE(lpc->has_smi_broadcast ? RH_SMI_BROADCAST : 0);
    return !lpc->raise_smi || !lpc->smi_offered ||
           (rh_fw_cfg_add_file(fw, "etc/smi/supported-features", &lpc->smi_offered, sizeof(lpc->smi_offered), err) &&
            rh_fw_cfg_add_file_of(fw, &wanted, err) && rh_fw_cfg_add_file_of(fw, &agreed, err));
}
