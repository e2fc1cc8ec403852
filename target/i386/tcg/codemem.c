/*
 * Host code at run time; see the header.
 *
 * The file descriptor is closed once both mappings exist, so nothing else of the process can map the pages in another way.
 */
#include "target/i386/tcg/codemem.h"

#include <cpuid.h>
#include <errno.h>
#include <sys/mman.h>

struct RhCodeMem {
    uint8_t *write;         /* PROT_READ | PROT_WRITE */
    const uint8_t *exec;    /* PROT_READ | PROT_EXEC, of the same pages */
    size_t size, used;
};

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u    /* Linux 6.3: wanted where vm.memfd_noexec makes the other the default */
#endif

static int open_pages(size_t size, GError **err)
{
    int fd = memfd_create("rhea-code", MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create("rhea-code", MFD_CLOEXEC);
    }
    if (fd < 0) {
        rh_fail_errno(err, errno, "Cannot make memory for translated code");
        return -1;
    }
    if (ftruncate(fd, (off_t)size) < 0) {
        rh_fail_errno(err, errno, "Cannot reserve %zu bytes for translated code", size);
        close(fd);
        return -1;
    }
    return fd;
}

static void *map_pages(int fd, size_t size, int protection)
{
    void *at = mmap(NULL, size, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

RhCodeMem *rh_codemem_new(size_t size, GError **err)
{
    g_autoptr(RhCodeMem) mem = g_new0(RhCodeMem, 1);
    int fd;

    mem->size = rh_align_up(size, (uint64_t)sysconf(_SC_PAGESIZE));
    fd = open_pages(mem->size, err);
    if (fd < 0) {
        return NULL;
    }
    mem->write = map_pages(fd, mem->size, PROT_READ | PROT_WRITE);
    mem->exec = mem->write ? map_pages(fd, mem->size, PROT_READ | PROT_EXEC) : NULL;
    if (!mem->exec) {
        rh_fail_errno(err, errno, "Cannot map %zu bytes of translated code for %s", mem->size,
                      mem->write ? "execution" : "writing");
        rh_hint(err, "A security policy (SELinux execmem, noexec on memfd) may forbid this process to make code.");
        close(fd);
        return NULL;
    }
    close(fd);
    return g_steal_pointer(&mem);
}

void rh_codemem_free(RhCodeMem *mem)
{
    if (!mem) {
        return;
    }
    if (mem->write) {
        munmap(mem->write, mem->size);
    }
    if (mem->exec) {
        munmap((void *)(uintptr_t)mem->exec, mem->size);
    }
    g_free(mem);
}

bool rh_codemem_alloc(RhCodeMem *mem, size_t len, uint8_t **ret_write, const uint8_t **ret_exec)
{
    if (len > rh_codemem_left(mem)) {
        return false;
    }
    *ret_write = mem->write + mem->used;
    *ret_exec = mem->exec + mem->used;
    mem->used += rh_align_up(len, RH_CODEMEM_ALIGN);
    return true;
}

size_t rh_codemem_left(const RhCodeMem *mem)
{
    return mem->size - mem->used;
}

void rh_codemem_shrink(RhCodeMem *mem, const uint8_t *write, size_t used)
{
    size_t at = (size_t)(write - mem->write);

    g_assert(at + used <= mem->used);
    mem->used = at + rh_align_up(used, RH_CODEMEM_ALIGN);
}

void rh_codemem_reset(RhCodeMem *mem)
{
    uint32_t eax, ebx, ecx, edx;

    mem->used = 0;
    __cpuid(0, eax, ebx, ecx, edx);
}

bool rh_codemem_has(const RhCodeMem *mem, const void *address)
{
    return (uintptr_t)address - (uintptr_t)mem->exec < mem->size;
}

uint8_t *rh_codemem_writable(const RhCodeMem *mem, const void *exec)
{
    return mem->write + ((const uint8_t *)exec - mem->exec);
}
