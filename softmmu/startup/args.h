/*
 * The command line as data: which options were given, in order, each checked against the schema.
 */
#ifndef RH_STARTUP_ARGS_H
#define RH_STARTUP_ARGS_H

#include "qapi/option.h"
#include "util/error.h"

/** RhArg - one occurrence of an option */
typedef struct RhArg {
    const RhOption *option;
    char *text;             /* its argument as given; NULL for a flag */
    json_object *json;      /* STRUCT and OBJECT options: what the argument says */
    bool is_json;           /* the argument was JSON: its scalars have types */
    bool is_used;           /* some part of start-up asked for it */
} RhArg;

/** RhArgs - all occurrences in order; the caller's memory */
typedef struct RhArgs {
    GPtrArray *list;        /* RhArg * */
    GPtrArray *images;      /* char *: arguments without a dash */
    char *help;             /* text to print instead of running; NULL: none */
} RhArgs;

/**
 * rh_args_parse - read argv[1..]; options of -readconfig files take their place in the order
 * False and @err when an option is unknown, lacks its argument, or is not supported yet. When help is asked
 * for (-help, -version, or "help" as an option's argument), @args->help is set and reading stops.
 */
bool rh_args_parse(RhArgs *args, int argc, char **argv, GError **err);
void rh_args_fini(RhArgs *args);

/** rh_args_has - whether option @name was given */
bool rh_args_has(const RhArgs *args, const char *name);
/** rh_args_text - argument of the last @name, or NULL */
const char *rh_args_text(const RhArgs *args, const char *name);
/** rh_args_merged - all occurrences of @name as one JSON object (a new reference), or NULL when not given */
json_object *rh_args_merged(const RhArgs *args, const char *name);
/**
 * rh_args_struct - the merged occurrences of @name as the schema's struct in *@ret (NULL when not given; qapi_free it);
 * false and @err when it does not fit
 */
bool rh_args_struct(const RhArgs *args, const char *name, void **ret, GError **err);
/** rh_args_check_used - at the end of start-up: false and @err when an option that was given reached nobody */
bool rh_args_check_used(const RhArgs *args, GError **err);
/** rh_args_each - call fn for each occurrence of @name in order; an error gets "-NAME TEXT: " in front */
bool rh_args_each(const RhArgs *args, const char *name,
                  bool (*fn)(const RhArg *arg, void *opaque, GError **err), void *opaque, GError **err);

#endif
