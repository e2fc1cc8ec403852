/*
 * Which pages of guest memory have translated code, and how writing to them reaches every vCPU. docs/engine.md, "Invalidation".
 *
 * Invariants:
 * 1. A vCPU has a block of a page only if the page's byte is set, or a request to drop it waits in its shoot list.
 * 2. A vCPU has a TLB entry to write to a page only if the byte is clear, or a request to protect it waits in its shoot list; whoever
 *    translates from a page waits until such requests are answered before it reads the first instruction.
 * Lock: pages->lock for the bytes and all shoot lists; a leaf. Nobody waits with it held.
 */
#include "accel/tcg/jit.h"

#include <sched.h>
#include <sys/mman.h>
#include "target/i386/tcg/vector-live.h"

enum { PHYSICAL_BITS = 40 };
#define NR_PAGES (UINT64_C(1) << (PHYSICAL_BITS - RH_PAGE_BITS))

struct RhCodePages {
    RhMutex lock;
    uint8_t *has_code;          /* a byte a page; address space only, until touched */
};

RhCodePages *rh_code_pages_new(void)
{
    RhCodePages *pages = g_new0(RhCodePages, 1);

    rh_mutex_init(&pages->lock);
    pages->has_code = mmap(NULL, NR_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages->has_code == MAP_FAILED) {
        pages->has_code = NULL;
    }
    return pages;
}

void rh_code_pages_free(RhCodePages *pages)
{
    if (pages) {
        if (pages->has_code) {
            munmap(pages->has_code, NR_PAGES);
        }
        rh_mutex_fini(&pages->lock);
        g_free(pages);
    }
}

static bool test(const RhCodePages *pages, uint64_t gpa)
{
    uint64_t page = gpa >> RH_PAGE_BITS;

    return pages && pages->has_code && page < NR_PAGES && __atomic_load_n(&pages->has_code[page], __ATOMIC_ACQUIRE);
}

static RhCodePages *pages_of(const RhTcgCpu *cpu)
{
    return cpu->tcg ? cpu->tcg->code_pages : NULL;
}

/* --- asking other vCPUs; with the lock held --- */

static void ask(RhTcgCpu *cpu, uint64_t gpa, RhShootKind kind)
{
    RhShootList *list = &cpu->shoot;

    if (list->nr < RH_SHOOT_MAX) {
        list->item[list->nr++] = (gpa & ~(uint64_t)(RH_PAGE_SIZE - 1)) | kind;
    } else {
        list->is_all = true;
    }
    __atomic_add_fetch(&list->asked, 1, __ATOMIC_SEQ_CST);
    rh_tcg_request(cpu, RH_TCG_SHOOT);
}

static void each_other(RhVm *vm, const RhTcgCpu *but, uint64_t gpa, RhShootKind kind)
{
    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhTcgCpu *cpu = rh_tcg_cpu(vm->vcpus->pdata[i]);

        if (cpu && cpu != but) {
            ask(cpu, gpa, kind);
        }
    }
}

void rh_code_answer(RhTcgCpu *cpu)
{
    RhCodePages *pages = pages_of(cpu);
    RhShootList list;

    if (!pages) {
        return;
    }
    RH_WITH_LOCK(&pages->lock) {
        list = cpu->shoot;
        cpu->shoot.nr = 0;
        cpu->shoot.is_all = false;
    }
    if (list.is_all) {
        rh_tlb_flush(cpu, false);
        if (cpu->jit) {
            rh_jit_drop_all(cpu->jit);
        }
    }
    for (unsigned i = 0; i < list.nr && !list.is_all; i++) {
        if ((list.item[i] & 1) == RH_SHOOT_PROTECT) {
            rh_tlb_protect(cpu, list.item[i] & ~UINT64_C(1));
        } else if (cpu->jit) {
            rh_jit_drop_page(cpu->jit, list.item[i] & ~UINT64_C(1));
        }
    }
    /* Pairs with the loads in wait_for_others. */
    __atomic_store_n(&cpu->shoot.answered, list.asked, __ATOMIC_SEQ_CST);
}

static bool has_answered(const RhTcgCpu *cpu)
{
    return !__atomic_load_n(&cpu->is_in_guest, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&cpu->shoot.answered, __ATOMIC_SEQ_CST) == __atomic_load_n(&cpu->shoot.asked, __ATOMIC_SEQ_CST);
}

/* Two may wait for each other: each answers meanwhile. */
static void wait_for_others(RhTcgCpu *cpu)
{
    GPtrArray *vcpus = cpu->vm->vcpus;

    for (guint i = 0; i < vcpus->len; i++) {
        RhTcgCpu *other = rh_tcg_cpu(vcpus->pdata[i]);

        while (other && other != cpu && !has_answered(other)) {
            rh_code_answer(cpu);
            sched_yield();
        }
    }
}

/* --- claiming and writing --- */

bool rh_code_claim(RhTcgCpu *cpu, uint64_t gpa)
{
    RhCodePages *pages = pages_of(cpu);
    uint64_t page = gpa >> RH_PAGE_BITS;

    if (!pages || !pages->has_code || page >= NR_PAGES) {
        return false;
    }
    if (!test(pages, gpa)) {
        RH_WITH_LOCK(&pages->lock) {
            if (!pages->has_code[page]) {
                __atomic_store_n(&pages->has_code[page], 1, __ATOMIC_RELEASE);
                each_other(cpu->vm, cpu, gpa, RH_SHOOT_PROTECT);
            }
        }
        rh_tlb_protect(cpu, gpa);
    }
    wait_for_others(cpu);       /* also where another vCPU set the byte a moment ago, and waits itself */
    return true;
}

bool rh_tcg_page_has_code(RhTcgCpu *cpu, uint64_t gpa)
{
    return test(pages_of(cpu), gpa);
}

static void drop_everywhere(RhVm *vm, RhCodePages *pages, RhTcgCpu *by, uint64_t gpa)
{
    RH_WITH_LOCK(&pages->lock) {
        __atomic_store_n(&pages->has_code[gpa >> RH_PAGE_BITS], 0, __ATOMIC_RELEASE);
        each_other(vm, by, gpa, RH_SHOOT_DROP);
    }
}

void rh_tcg_code_written(RhTcgCpu *cpu, uint64_t gpa)
{
    RhCodePages *pages = pages_of(cpu);

    if (test(pages, gpa)) {
        bool was_live = rh_tcg_vector_save(cpu);

        drop_everywhere(cpu->vm, pages, cpu, gpa);
        if (cpu->jit) {
            rh_jit_note_write(cpu->jit, gpa);
        }
        rh_tcg_vector_restore(cpu, was_live);
    }
}

void rh_code_written_by_device(RhAccel *accel, uint64_t gpa, uint64_t len)
{
    RhCodePages *pages = ((RhTcg *)accel)->code_pages;
    uint64_t first = gpa >> RH_PAGE_BITS;
    uint64_t last = len ? (gpa + len - 1) >> RH_PAGE_BITS : first;

    for (uint64_t page = first; page <= last && page < NR_PAGES; page++) {
        if (test(pages, page << RH_PAGE_BITS)) {
            drop_everywhere(accel->obj.vm, pages, NULL, page << RH_PAGE_BITS);
        }
    }
}
