/*
 * Finding and running QMP commands.
 */
#include "qapi/command.h"
#include <stdlib.h>
#include <string.h>
#include "qapi/visit.h"
#include "util/error.h"

static int compare_name(const void *name, const void *command)
{
    return strcmp(name, ((const RhQmpCommand *)command)->name);
}

const RhQmpCommand *rh_qmp_command_find(const char *name)
{
    unsigned nr;
    const RhQmpCommand *commands = rh_qmp_commands(&nr);

    return bsearch(name, commands, nr, sizeof(*commands), compare_name);
}

static bool check_arguments(const RhQmpCommand *command, json_object *arguments, void **ret_args,
                            GError **err)
{
    json_object *given = arguments ? json_object_get(arguments) : json_object_new_object();
    bool is_ok = true;

    if (command->args) {
        is_ok = qapi_from_json(command->args, given, ret_args, 0, err);
    } else {
        json_object_object_foreach (given, name, value) {
            (void)value;
            is_ok = rh_fail(err, "Parameter '%s' is unexpected", name);
            break;
        }
    }
    json_object_put(given);
    return is_ok;
}

bool rh_qmp_command_run(const RhQmpCommand *command, RhVm *vm, json_object *arguments,
                        json_object **ret_result, GError **err)
{
    void *args = NULL;
    uint64_t result = 0; /* wide enough for any value: larger ones are pointers */

    if (!check_arguments(command, arguments, &args, err)) {
        return false;
    }
    bool is_ok = command->call(vm, args, &result, err);

    if (args) {
        qapi_free(command->args, args);
    }
    if (!is_ok) {
        return false;
    }
    if (!command->ret) {
        *ret_result = json_object_new_object();
        return true;
    }
    *ret_result = qapi_to_json(command->ret, &result);
    if (rh_qapi_is_pointer(command->ret)) {
        qapi_free(command->ret, *(void **)&result);
    }
    return true;
}
