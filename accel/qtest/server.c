/*
 * The qtest protocol on a character device, with its log.  Lock: machine lock.
 */
#include "accel/qtest.h"
#include "softmmu/vm.h"
#include <errno.h>
#include <stdio.h>

typedef struct QtestRoom {
    RhQtest *qtest;
    RhCharUser user;
    FILE *log;
} QtestRoom;

static void qtest_room_fini(RhVm *vm, void *opaque)
{
    QtestRoom *room = opaque;

    rh_char_detach(&room->user);
    g_clear_pointer(&room->qtest, rh_qtest_free);
    g_clear_pointer(&room->log, fclose);
}

RH_ROOM(qtest_room, QtestRoom, .name = "qtest", .fini = qtest_room_fini);

static void log_bytes(QtestRoom *room, const char *direction, const void *bytes, size_t len)
{
    if (room->log) {
        fprintf(room->log, "[%s] ", direction);
        fwrite(bytes, 1, len, room->log);
        fflush(room->log);
    }
}

static void server_answer(void *opaque, const char *text, size_t len)
{
    QtestRoom *room = opaque;

    log_bytes(room, "S", text, len);
    rh_char_write_all(&room->user, text, len);
}

static size_t server_can_receive(void *opaque)
{
    return 65536;
}

static void server_receive(void *opaque, const uint8_t *buf, size_t len)
{
    QtestRoom *room = opaque;

    log_bytes(room, "R", buf, len);
    rh_qtest_feed(room->qtest, (const char *)buf, len);
}

static const RhCharUserOps server_ops = {
    .can_receive = server_can_receive,
    .receive     = server_receive,
};

bool rh_qtest_start(RhVm *vm, RhChardev *chr, const char *log_path, GError **err)
{
    QtestRoom *room = rh_vm_room(vm, &qtest_room);

    if (log_path) {
        room->log = fopen(log_path, "we");
        if (!room->log) {
            return rh_fail_errno(err, errno, "Option '-qtest-log' is '%s', cannot be written", log_path);
        }
    }
    room->qtest = rh_qtest_new(vm, server_answer, room);
    if (!rh_char_attach(&room->user, chr, &server_ops, room, err)) {
        return false;
    }
    rh_char_set_open(&room->user, true);
    return true;
}
