/*
 * The table of command line options, made from the schema.
 */
#ifndef RH_QAPI_OPTION_H
#define RH_QAPI_OPTION_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include "qapi/type.h"

/** RhOptionKind - FLAG: no argument; STRING: kept as it is; STRUCT, OBJECT: key=value */
typedef enum RhOptionKind {
    RH_OPTION_FLAG,
    RH_OPTION_STRING,
    RH_OPTION_STRUCT, /* checked against @type when parsed */
    RH_OPTION_OBJECT, /* checked by whoever takes it: a device, say, knows its own properties */
} RhOptionKind;

enum {
    RH_OPTION_JSON = 1,      /* the argument may be JSON */
    RH_OPTION_REPEAT = 2,    /* each occurrence counts; otherwise the last one does */
    RH_OPTION_MERGE = 4,     /* later occurrences add to and override earlier ones, key by key */
    RH_OPTION_SHORTHAND = 8, /* bare `key` and `nokey` are on and off; dots in keys mean nothing */
    RH_OPTION_COLLECT = 32,  /* a key given again adds to a list */
    RH_OPTION_IGNORED = 16,  /* accepted without effect, for compatibility */
};

typedef struct RhOption {
    const char *name;           /* without the dash */
    const char *const *aliases; /* NULL-terminated, or NULL */
    RhOptionKind kind;
    unsigned flags;
    const char *implied;            /* key of the first part without `=` */
    const char *group;              /* its name in query-command-line-options, or NULL */
    const RhQapiType *type;         /* STRUCT; also OBJECT, for the members that are known */
    const char *const *member_help; /* by member of @type; entries may be NULL */
    const char *arg;                /* argument as shown in help, or NULL */
    const char *help;
    const char *later;      /* not NULL: not supported yet; says what is missing */
    const char *deprecated; /* not NULL: what to use instead */
} RhOption;

/** rh_options - all options in order of help; @ret_nr receives their number */
const RhOption *rh_options(unsigned *ret_nr);

/** rh_option_find - the option named or aliased @name (no dash), or NULL */
const RhOption *rh_option_find(const char *name);

/** rh_option_check - fails with "-X is not supported yet: ..." for an option that comes later */
bool rh_option_check(const RhOption *option, GError **err);

/**
 * rh_option_parse - the argument @text of a STRUCT or OBJECT option as JSON
 * @ret_is_help: set when help is asked for. @ret_is_json: whether scalars have JSON types.
 */
json_object *rh_option_parse(const RhOption *option, const char *text, bool *ret_is_help,
                             bool *ret_is_json, GError **err);

/**
 * rh_option_read - the C struct (of @option->type; end it with qapi_free) of what rh_option_parse
 * gave, and possibly rh_option_merge collected. NULL and @err when it does not fit.
 */
void *rh_option_read(const RhOption *option, json_object *in, bool is_json, GError **err);

/** rh_option_merge - let the members of @from (kept) override those of @into, at all depths */
void rh_option_merge(json_object *into, json_object *from);

/**
 * rh_option_describe_all - the answer of query-command-line-options
 * @name: picks one option; NULL: all. Returns NULL and sets @err when it is unknown.
 */
json_object *rh_option_describe_all(const char *name, GError **err);

/** rh_option_help - the text of -help: two lines for each option; g_free it */
char *rh_option_help(const char *program);

#endif
