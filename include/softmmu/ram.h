/*
 * RAM blocks: host memory that guests (and devices) see.
 */
#ifndef RH_SOFTMMU_RAM_H
#define RH_SOFTMMU_RAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RhRam RhRam;

/** RhRamOptions - how to get the memory; zero-filled is private anonymous memory */
typedef struct RhRamOptions {
    const char *path;       /* file (or directory, then a temporary file in it); NULL: anonymous or memfd */
    bool is_memfd;
    bool is_shared;         /* MAP_SHARED: other processes (vhost-user) see it */
    bool is_readonly;       /* the file is opened and mapped read-only */
    bool prealloc;          /* touch every page now */
    uint32_t prealloc_threads; /* that share the work; 0 is 1, at most 256 */
    bool is_hugetlb;
    uint64_t hugetlb_size;  /* 0: the host's default */
    bool no_reserve;        /* do not reserve swap */
    bool no_merge;          /* MADV_UNMERGEABLE */
    bool no_dump;           /* MADV_DONTDUMP */
    uint64_t align;
    uint64_t offset;        /* in the file */
    unsigned long host_nodes; /* bit n: host NUMA node n */
    int policy;             /* MPOL_* ; 0 default */
} RhRamOptions;

struct RhRam {
    char *name;             /* "pc.ram": names the block in migration and info ramblock */
    uint8_t *host;          /* page-aligned */
    uint64_t size;          /* bytes, a multiple of page_size */
    uint64_t page_size;     /* of the memory behind it */
    int fd;                 /* memfd or file, -1 for anonymous memory */
    uint64_t fd_offset;
    bool is_shared;
    bool is_readonly;
    int refs;               /* atomic */
};

/** rh_ram_new - @options may be NULL; @err names size, path and reason. One reference. */
RhRam *rh_ram_new(const char *name, uint64_t size, const RhRamOptions *options, GError **err);
RhRam *rh_ram_ref(RhRam *ram);
void rh_ram_unref(RhRam *ram);      /* accepts NULL; unmaps at the last */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhRam, rh_ram_unref)

#endif
