/*
 * Making character devices: from a legacy text (-serial, -monitor, -qmp), from the options of -chardev,
 * from QMP. All end in the same back-end description. A device lives at /chardevs/ID. Machine lock or start-up.
 */
#ifndef RH_CHARDEV_OPEN_H
#define RH_CHARDEV_OPEN_H

#include "chardev/chardev.h"
#include "qapi-types.h"

/**
 * rh_char_open_spec - the device that @spec names: stdio, pty, file:PATH, unix:PATH,server=on,wait=off,
 * tcp:HOST:PORT, telnet:, udp:, pipe:, null, /dev/ttyS0, or chardev:ID for one that exists
 * @id: name of a new device. @with_mux: "mon:" may stand in front; the result is then a mux, on which the
 * caller puts a monitor. "none" is the caller's business. Returns NULL and @err on failure.
 */
RhChardev *rh_char_open_spec(RhVm *vm, const char *id, const char *spec, bool with_mux, GError **err);
/** rh_char_open_options - what -chardev says (schema type ChardevOptions; scalars may be strings); kept by the caller */
RhChardev *rh_char_open_options(RhVm *vm, json_object *options, GError **err);
/** rh_char_open_backend - what chardev-add says */
RhChardev *rh_char_open_backend(RhVm *vm, const char *id, const QmpChardevBackend *backend, GError **err);
/** rh_char_remove - end the device; @err when it is used or unknown */
bool rh_char_remove(RhVm *vm, const char *id, GError **err);
/** rh_char_change - another back-end under the front-end of @id; NULL and @err when one of them does not take part, then nothing changed */
RhChardev *rh_char_change(RhVm *vm, const char *id, const QmpChardevBackend *backend, GError **err);
/** rh_char_set_escape - the byte that begins commands to a mux (-echr); Ctrl-A at first */
void rh_char_set_escape(RhVm *vm, uint8_t escape);
/** rh_char_help - text of -chardev help */
void rh_char_help(GString *out);
/** rh_char_id, rh_char_filename - name of the device; what it is connected to, in a short text */
const char *rh_char_id(const RhChardev *chr);
const char *rh_char_filename(const RhChardev *chr);
/** rh_char_is_front_open - whether some front-end has its side open */
bool rh_char_is_front_open(const RhChardev *chr);

#endif
