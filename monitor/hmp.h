/*
 * The human monitor: tables of commands.
 */
#ifndef RH_MONITOR_HMP_H
#define RH_MONITOR_HMP_H

#include "softmmu/vm.h"

/** RhHmp - where a command runs: what it prints goes to @out, with plain "\n" ends */
typedef struct RhHmp {
    RhVm *vm;
    GString *out;
    int64_t cpu;                        /* index that register and memory commands look at */
    const GPtrArray *history;           /* char *; NULL outside a session */
} RhHmp;

/** RhHmpCommand - one command; @run gets its words (and words[0], or the rest of the line when @is_raw) */
typedef struct RhHmpCommand {
    const char *name;                   /* "quit|q": other spellings after bars */
    const char *params;                 /* as help shows them */
    const char *help;
    unsigned min_args, max_args;
    bool is_raw;                        /* one argument: the rest of the line as it is */
    bool (*run)(RhHmp *hmp, char **words, GError **err);
} RhHmpCommand;

typedef struct RhHmpTable {
    const RhHmpCommand *rows;
    size_t nr;
} RhHmpTable;

extern const RhHmpTable rh_hmp_commands;
extern const RhHmpTable rh_hmp_infos;   /* of "info" */

void rh_hmp_printf(RhHmp *hmp, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** rh_hmp_execute - run @line; what it prints, and errors, go to @hmp->out */
void rh_hmp_execute(RhHmp *hmp, const char *line);
/** rh_hmp_find - the row that @name spells, or NULL */
const RhHmpCommand *rh_hmp_find(const RhHmpTable *table, const char *name);
/** rh_hmp_list - "NAME PARAMS -- HELP" of every row, each after @prefix */
void rh_hmp_list(RhHmp *hmp, const RhHmpTable *table, const char *prefix);
/** rh_hmp_complete - names that may stand at the end of @line: NULL-terminated; g_strfreev it */
char **rh_hmp_complete(RhVm *vm, const char *line);
/** rh_hmp_eval - a number, registers excluded: 0x10, (1 + 2) * 3, -1 */
bool rh_hmp_eval(const char *text, int64_t *ret, GError **err);

#endif
