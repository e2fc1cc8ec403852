/*
 * The table of QMP commands. It is made from the schema and compiled in monitor/, above all
 * handlers.
 */
#ifndef RH_QAPI_COMMAND_H
#define RH_QAPI_COMMAND_H

#include <json-c/json.h>
#include "qapi/type.h"

typedef struct RhVm RhVm;

enum {
    RH_QMP_OOB = 1,       /* may run out of band */
    RH_QMP_PRECONFIG = 2, /* allowed before the machine exists */
    RH_QMP_COROUTINE = 4, /* the handler may yield: run it in a coroutine */
};

/** RhQmpCommand - one command; @call gets checked arguments and leaves a value of type @ret at @ret
 */
typedef struct RhQmpCommand {
    const char *name;
    const RhQapiType *args; /* NULL: takes none */
    const RhQapiType *ret;  /* NULL: gives none */
    bool (*call)(RhVm *vm, const void *args, void *ret, GError **err);
    unsigned flags;
} RhQmpCommand;

/** rh_qmp_commands - all commands, sorted by name; @ret_nr receives their number */
const RhQmpCommand *rh_qmp_commands(unsigned *ret_nr);

/** rh_qmp_command_find - the command @name, or NULL */
const RhQmpCommand *rh_qmp_command_find(const char *name);

/**
 * rh_qmp_command_run - check @arguments (NULL: none; kept) and call the handler
 * @ret_result: receives the result as JSON, owned by the caller: {} for a command without result,
 * NULL for JSON null Returns false and sets @err when the arguments do not fit or the handler
 * fails.
 */
bool rh_qmp_command_run(const RhQmpCommand *command, RhVm *vm, json_object *arguments,
                        json_object **ret_result, GError **err);

#endif
