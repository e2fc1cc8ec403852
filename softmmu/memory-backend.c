/*
 * Memory backends. The RAM is made when the object is complete, so that errors name the -object.
 */
#include "softmmu/memory-backend.h"
#include "qapi-commands.h"

typedef struct MemoryBackend {
    RhObject obj;
    uint64_t size;
    bool share, prealloc, merge, dump, reserve;
    uint32_t prealloc_threads;
    char **host_nodes;
    int policy;
    bool canonical_path_id;     /* name the RAM block by the object's path */
    char *mem_path;             /* -file */
    uint64_t align, offset;
    bool discard_data, readonly;
    bool hugetlb;               /* -memfd */
    uint64_t hugetlbsize;
    RhRam *ram;
    bool is_in_use;
} MemoryBackend;

static const char *const policies[] = { "default", "preferred", "bind", "interleave", NULL };

static const RhProp backend_props[] = {
    RH_PROP_AS(rh_prop_size, "size", MemoryBackend, size, .doc = "bytes"),
    RH_PROP("share", MemoryBackend, share, .doc = "let other processes share it"),
    RH_PROP("prealloc", MemoryBackend, prealloc, .doc = "allocate all of it now"),
    RH_PROP("prealloc-threads", MemoryBackend, prealloc_threads, .def = 1, .min = 1, .max = 256,
            .doc = "threads that allocate"),
    RH_PROP("merge", MemoryBackend, merge, .def = true, .doc = "let the host merge equal pages"),
    RH_PROP("dump", MemoryBackend, dump, .def = true, .doc = "include in core dumps"),
    RH_PROP("reserve", MemoryBackend, reserve, .def = true, .doc = "reserve swap space"),
    RH_PROP_AS(rh_prop_str_list, "host-nodes", MemoryBackend, host_nodes, .doc = "host NUMA nodes to take it from"),
    RH_PROP_AS(rh_prop_enum, "policy", MemoryBackend, policy, .values = policies, .doc = "host NUMA policy"),
    RH_PROP("x-use-canonical-path-for-ramblock-id", MemoryBackend, canonical_path_id, .def = true,
            .is_hidden = true, .doc = "name the block by the object's path"),
};

static const RhProp file_props[] = {
    RH_PROP("mem-path", MemoryBackend, mem_path, .doc = "file, or directory for an unnamed one"),
    RH_PROP_AS(rh_prop_size, "align", MemoryBackend, align, .doc = "alignment of the mapping"),
    RH_PROP_AS(rh_prop_size, "offset", MemoryBackend, offset, .doc = "where it begins in the file"),
    RH_PROP("discard-data", MemoryBackend, discard_data, .doc = "throw the contents away at the end (not supported yet)"),
    RH_PROP("readonly", MemoryBackend, readonly, .doc = "map the file read-only"),
};

static const RhProp memfd_props[] = {
    RH_PROP("hugetlb", MemoryBackend, hugetlb, .doc = "use huge pages"),
    RH_PROP_AS(rh_prop_size, "hugetlbsize", MemoryBackend, hugetlbsize, .doc = "size of a huge page"),
};

/* "0", "0-1": bits of host nodes; the host knows at most 64 to us. */
static bool parse_nodes(char **list, unsigned long *ret, GError **err)
{
    *ret = 0;
    for (; list && *list; list++) {
        unsigned first, last;
        int fields = sscanf(*list, "%u-%u", &first, &last);

        last = fields == 1 ? first : last;
        if (fields < 1 || first > last || last > 63) {
            return rh_fail(err, "Property 'host-nodes' is '%s', must be nodes 0 to 63, as '0' or '0-1'", *list);
        }
        *ret |= rh_bits(last - first + 1) << first;
    }
    return true;
}

static bool backend_complete(RhObject *obj, GError **err)
{
    MemoryBackend *backend = RH_SELF(MemoryBackend, obj);
    bool is_file = g_str_equal(obj->type->name, "memory-backend-file");
    bool is_memfd = g_str_equal(obj->type->name, "memory-backend-memfd");
    g_autofree char *path = rh_object_path(obj);
    RhRamOptions options = {
        .path = backend->mem_path,
        .is_memfd = is_memfd,
        .is_shared = backend->share,
        .is_readonly = backend->readonly,
        .prealloc = backend->prealloc,
        .prealloc_threads = backend->prealloc_threads,
        .is_hugetlb = backend->hugetlb,
        .hugetlb_size = backend->hugetlbsize,
        .no_reserve = !backend->reserve,
        .no_merge = !backend->merge,
        .no_dump = !backend->dump,
        .align = backend->align,
        .offset = backend->offset,
        .policy = backend->policy,
    };

    if (!backend->size) {
        return rh_fail(err, "can't create backend with size 0");
    }
    if (backend->discard_data) {
        return rh_fail(err, "discard-data=on is not supported yet");
    }
    if (is_file && !backend->mem_path) {
        return rh_fail(err, "mem-path property not set");
    }
    if (!parse_nodes(backend->host_nodes, &options.host_nodes, err)) {
        return false;
    }
    if ((options.policy != 0) != (options.host_nodes != 0)) {
        return rh_fail(err, options.policy ? "host-nodes must be set for policy %s"
                                           : "host-nodes must be empty for policy %s, or you should explicitly "
                                             "specify a policy other than default", policies[options.policy]);
    }
    backend->ram = rh_ram_new(backend->canonical_path_id ? path : obj->name, backend->size, &options, err);
    return backend->ram;
}

static void backend_fini(RhObject *obj)
{
    rh_ram_unref(RH_SELF(MemoryBackend, obj)->ram);
}

static void memfd_init(RhObject *obj)
{
    RH_SELF(MemoryBackend, obj)->share = true;      /* the point of a memfd */
}

static bool backend_can_delete(RhObject *obj, GError **err)
{
    return !RH_SELF(MemoryBackend, obj)->is_in_use || rh_fail(err, "object '%s' is in use, can not be deleted", obj->name);
}

static const char *const backend_interfaces[] = { RH_INTERFACE_USER_CREATABLE, NULL };

static const RhType memory_backend_type = {
    .name = RH_TYPE_MEMORY_BACKEND,
    .parent = RH_TYPE_OBJECT,
    .doc = "Guest memory",
    .size = sizeof(MemoryBackend),
    .is_abstract = true,
    .interfaces = backend_interfaces,
    .props = RH_TABLE(backend_props),
    .fini = backend_fini,
    .complete = backend_complete,
    .can_delete = backend_can_delete,
};
RH_TYPE_ENTRY(memory_backend_type);

static const RhType memory_backend_ram_type = {
    .name = "memory-backend-ram",
    .parent = RH_TYPE_MEMORY_BACKEND,
    .doc = "Guest memory from anonymous host memory",
};
RH_TYPE_ENTRY(memory_backend_ram_type);

static const RhType memory_backend_memfd_type = {
    .name = "memory-backend-memfd",
    .parent = RH_TYPE_MEMORY_BACKEND,
    .doc = "Guest memory that other processes can be given",
    .props = RH_TABLE(memfd_props),
    .init = memfd_init,
};
RH_TYPE_ENTRY(memory_backend_memfd_type);

static const RhType memory_backend_file_type = {
    .name = "memory-backend-file",
    .parent = RH_TYPE_MEMORY_BACKEND,
    .doc = "Guest memory in a file",
    .props = RH_TABLE(file_props),
};
RH_TYPE_ENTRY(memory_backend_file_type);

RhRam *rh_memory_backend_ram(RhVm *vm, const char *id, GError **err)
{
    RhObject *obj = id[0] == '/' ? rh_object_resolve(vm->root, id, NULL)
                                 : rh_object_child(rh_object_container(vm->root, "objects"), id);
    MemoryBackend *backend = RH_SELF(MemoryBackend, obj);

    if (!rh_object_is(obj, RH_TYPE_MEMORY_BACKEND)) {
        rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Memory backend '%s' not found", id);
        return NULL;
    }
    if (backend->is_in_use) {
        rh_fail(err, "memory backend '%s' is used multiple times", id);
        return NULL;
    }
    backend->is_in_use = true;
    return rh_ram_ref(backend->ram);
}

/* --- query-memdev --- */

static QmpMemdev *describe(const MemoryBackend *backend)
{
    QmpMemdev *info = g_new0(QmpMemdev, 1);
    unsigned long nodes = 0;

    parse_nodes(backend->host_nodes, &nodes, NULL);
    info->id = g_strdup(backend->obj.name);
    info->size = backend->size;
    info->merge = backend->merge;
    info->dump = backend->dump;
    info->prealloc = backend->prealloc;
    info->share = backend->share;
    info->has_reserve = true;
    info->reserve = backend->reserve;
    info->policy = (QmpHostMemPolicy)backend->policy;
    info->host_nodes = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    for (uint16_t node = 0; node < 64; node++) {
        if (nodes & 1ul << node) {
            g_array_append_val(info->host_nodes, node);
        }
    }
    return info;
}

static bool add_backend(RhObject *obj, void *opaque)
{
    if (rh_object_is(obj, RH_TYPE_MEMORY_BACKEND)) {
        g_ptr_array_add(opaque, describe(RH_SELF(MemoryBackend, obj)));
    }
    return true;
}

GPtrArray *qmp_query_memdev(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_memdev_list_new();

    rh_object_foreach(vm->root, add_backend, list);
    return list;
}
