/*
 * Address spaces as their listeners see them: several that show the same regions, and a listener that changes the map itself.
 */
#include "softmmu/space.h"
#include "util/loop.h"
#include "util/thread.h"

enum { SIZE = 0x1000, FIRST = 0x10000, SECOND = 0x20000 };

typedef struct Watcher {
    RhSpaceListener listener;
    RhSpace *other;             /* looked into at each commit; NULL: none */
    uint64_t look_at;
    bool has_seen;
    RhRegion *to_add;           /* at the next commit, at SECOND; NULL: none */
    unsigned nr_added, nr_removed;
} Watcher;

typedef struct Fixture {
    RhVm *vm;
    RhRegion root, all, first, second;
    RhSpace *other;             /* younger than vm->memory, so told later */
    Watcher on_memory, on_other;
} Fixture;

static bool shows(RhSpace *space, uint64_t at)
{
    const RhFlatView *view = rh_space_view(space);
    bool is_there = false;

    for (size_t i = 0; i < view->nr; i++) {
        is_there |= view->ranges[i].start == at;
    }
    return is_there;
}

static void note_add(RhSpaceListener *listener, const RhFlatRange *range)
{
    RH_CONTAINER(Watcher, listener, listener)->nr_added++;
}

static void note_remove(RhSpaceListener *listener, const RhFlatRange *range)
{
    RH_CONTAINER(Watcher, listener, listener)->nr_removed++;
}

static void note_commit(RhSpaceListener *listener)
{
    Watcher *watcher = RH_CONTAINER(Watcher, listener, listener);

    if (watcher->other) {
        rh_rcu_read_lock();
        watcher->has_seen = shows(watcher->other, watcher->look_at);
        rh_rcu_read_unlock();
    }
    if (watcher->to_add) {
        RhRegion *region = g_steal_pointer(&watcher->to_add);

        rh_region_add(rh_space_root(region->vm->memory), SECOND, region);
    }
}

static void set_up(Fixture *f, const void *unused)
{
    static const RhRegionOps ops = { .sizes = RH_SIZE_ANY };
    const RhSpaceListener listener = { .add = note_add, .remove = note_remove, .commit = note_commit };
    g_autoptr(GError) err = NULL;

    f->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    rh_lock(&f->vm->lock);
    rh_region_init_container(&f->root, f->vm, "root", UINT64_MAX);
    rh_region_init_alias(&f->all, f->vm, "all", rh_space_root(f->vm->memory), 0, UINT64_MAX);
    rh_region_add(&f->root, 0, &f->all);
    rh_region_init_io(&f->first, f->vm, NULL, "first", &ops, SIZE);
    rh_region_init_io(&f->second, f->vm, NULL, "second", &ops, SIZE);
    f->other = rh_space_new(f->vm, "other", &f->root);
    f->on_memory.listener = f->on_other.listener = listener;
    rh_space_listen(f->vm->memory, &f->on_memory.listener);
    rh_space_listen(f->other, &f->on_other.listener);
}

static void tear_down(Fixture *f, const void *unused)
{
    rh_space_unlisten(f->other, &f->on_other.listener);
    rh_space_unlisten(f->vm->memory, &f->on_memory.listener);
    rh_space_free(f->other);
    rh_region_fini(&f->second);
    rh_region_fini(&f->first);
    rh_region_fini(&f->all);
    rh_region_fini(&f->root);
    rh_unlock(&f->vm->lock);
    rh_vm_free(f->vm);
}

/* Who is told of a change in one space finds it in the others, in either direction. */
static void test_all_at_once(Fixture *f, const void *unused)
{
    f->on_memory.other = f->other;
    f->on_other.other = f->vm->memory;
    f->on_memory.look_at = f->on_other.look_at = FIRST;
    rh_region_add(rh_space_root(f->vm->memory), FIRST, &f->first);
    g_assert_true(f->on_memory.has_seen && f->on_other.has_seen);
    rh_region_remove(&f->first);
    g_assert_false(f->on_memory.has_seen || f->on_other.has_seen);
    g_assert_cmpuint(f->on_other.nr_added, ==, 1);
    g_assert_cmpuint(f->on_other.nr_removed, ==, 1);
}

/* A change out of a listener: the spaces that were not told yet are told of both, each once. */
static void test_changed_by_listener(Fixture *f, const void *unused)
{
    f->on_memory.to_add = &f->second;
    rh_region_add(rh_space_root(f->vm->memory), FIRST, &f->first);
    g_assert_cmpuint(f->on_memory.nr_added, ==, 2);
    g_assert_cmpuint(f->on_other.nr_added, ==, 2);
    g_assert_cmpuint(f->on_memory.nr_removed + f->on_other.nr_removed, ==, 0);
    g_assert_true(shows(f->other, FIRST) && shows(f->other, SECOND));
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add("/space/all-at-once", Fixture, NULL, set_up, test_all_at_once, tear_down);
    g_test_add("/space/changed-by-listener", Fixture, NULL, set_up, test_changed_by_listener, tear_down);
    return g_test_run();
}
