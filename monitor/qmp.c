/*
 * A QMP session: JSON commands in, replies and events out.
 *
 * 1. A new client gets a greeting and must negotiate before anything else; events come after that.
 * 2. Commands of a client run one after another; those marked so may be sent out of band and overtake.
 * 3. Nothing here waits: a command that must is a coroutine, and output that the client does not read is
 *    buffered. Above QUIET_ABOVE no further input is taken, above DROP_ABOVE events are lost.
 */
#include "monitor/private.h"
#include "qapi-commands.h"
#include "qapi/command.h"
#include "qapi/stream.h"
#include "softmmu/runstate.h"
#include "util/coroutine.h"
#include "util/json.h"

enum {
    MAX_QUEUED = 8,
    QUIET_ABOVE = 1024 * 1024,
    DROP_ABOVE = 16 * 1024 * 1024,
    INPUT_CHUNK = 4096,
};

typedef struct Request Request;

struct RhQmpSession {
    RhVm *vm;
    RhCharUser user;
    RhJsonStream *stream;
    GQueue requests;            /* Request *, not begun */
    uint64_t client;            /* counts clients, so that a late reply does not reach the next one */
    bool is_pretty;
    bool is_negotiated;
    bool has_oob;
    Request *running;           /* or waiting for its reply to be sent; NULL: none */
};

/* One message of a client. */
struct Request {
    RhQmpSession *session;
    uint64_t client;
    json_object *id;            /* to be echoed; may be JSON null: see has_id */
    bool has_id;
    char *name;                 /* of the command; NULL: error says why there is none */
    json_object *arguments;     /* or NULL */
    const RhQmpCommand *command;
    GError *error;              /* why it cannot run, or why it failed */
    json_object *result;
};

static void run_queue(RhQmpSession *session);

static void request_free(Request *request)
{
    g_free(request->name);
    json_object_put(request->id);
    json_object_put(request->arguments);
    json_object_put(request->result);
    g_clear_error(&request->error);
    g_free(request);
}

/* --- output --- */

static void send_json(RhQmpSession *session, json_object *json)
{
    g_autofree char *text = rh_monitor_json_text(json, session->is_pretty);
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);

    rh_char_write_all(&session->user, line, strlen(line));
}

static void send_reply(Request *request)
{
    RhQmpSession *session = request->session;
    g_autoptr(RhJson) reply = json_object_new_object();

    if (request->client != session->client) {
        return;
    }
    if (request->error) {
        json_object *error = json_object_new_object();

        json_object_object_add(error, "class", json_object_new_string(rh_error_class_name(request->error)));
        json_object_object_add(error, "desc", json_object_new_string(request->error->message));
        json_object_object_add(reply, "error", error);
    } else {
        json_object_object_add(reply, "return", json_object_get(request->result));
    }
    if (request->has_id) {
        json_object_object_add(reply, "id", json_object_get(request->id));
    }
    send_json(session, reply);
}

void rh_qmp_session_event(RhQmpSession *session, json_object *event)
{
    if (session->is_negotiated && rh_char_pending(&session->user) < DROP_ABOVE) {
        send_json(session, event);
    }
}

static void greet(RhQmpSession *session)
{
    g_autoptr(RhJson) greeting = json_object_new_object();
    g_autoptr(QmpVersionInfo) version = qmp_query_version(session->vm, NULL);
    json_object *body = json_object_new_object();
    json_object *capabilities = json_object_new_array();

    json_object_array_add(capabilities, json_object_new_string("oob"));
    json_object_object_add(body, "version", qmp_version_info_to_json(version));
    json_object_object_add(body, "capabilities", capabilities);
    json_object_object_add(greeting, "QMP", body);
    send_json(session, greeting);
}

/* --- running --- */

bool rh_qmp_session_enable(RhQmpSession *session, bool has_oob, GError **err)
{
    if (session->is_negotiated) {
        return rh_fail_class(err, RH_ERROR_COMMAND_NOT_FOUND,
                             "Capabilities negotiation is already complete, command ignored");
    }
    session->is_negotiated = true;
    session->has_oob = has_oob;
    return true;
}

RhCharUser *rh_qmp_session_user(RhQmpSession *session)
{
    return &session->user;
}

/* Only when its turn has come: a command before it may have been the negotiation. */
static bool find_command(Request *request, bool is_oob, GError **err)
{
    const RhQmpSession *session = request->session;
    const char *name = request->name;

    if (!session->is_negotiated && strcmp(name, "qmp_capabilities") != 0) {
        return rh_fail_class(err, RH_ERROR_COMMAND_NOT_FOUND,
                             "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    request->command = rh_qmp_command_find(name);
    if (!request->command) {
        return rh_fail_class(err, RH_ERROR_COMMAND_NOT_FOUND, "The command %s has not been found", name);
    }
    if (is_oob && !session->has_oob) {
        return rh_fail(err, "QMP input member 'exec-oob' is unexpected");
    }
    if (is_oob && !(request->command->flags & RH_QMP_OOB)) {
        return rh_fail(err, "The command %s does not support OOB", name);
    }
    if (!(request->command->flags & RH_QMP_PRECONFIG) && !rh_vm_is_set_up(session->vm)) {
        return rh_fail(err, "The command '%s' isn't permitted before machine initialization", name);
    }
    return true;
}

static void call(Request *request)
{
    RhMonitorRoom *room = rh_monitor_room(request->session->vm);
    RhQmpSession *before = room->current;

    room->current = request->session;
    rh_qmp_command_run(request->command, request->session->vm, request->arguments, &request->result, &request->error);
    if (room->current == request->session) {
        room->current = before;
    }
}

static void finish(void *opaque)
{
    RhQmpSession *session = opaque;

    send_reply(session->running);
    g_clear_pointer(&session->running, request_free);
    run_queue(session);
}

/*
 * Clients expect the event that a command causes before its reply. The run state does its work
 * (shutdown, reset, ...) by posted calls, so a reply that is posted after them comes later.
 */
static void finish_in_order(RhQmpSession *session)
{
    if (__atomic_load_n(&session->vm->run->requests, __ATOMIC_ACQUIRE)) {
        rh_loop_post(session->vm->loop, finish, session);
    } else {
        finish(session);
    }
}

static void run_in_coroutine(void *opaque)
{
    RhQmpSession *session = opaque;

    call(session->running);
    finish_in_order(session);
}

static void run_queue(RhQmpSession *session)
{
    /* Each finished command comes back here: the queue is short, so this does not go deep. */
    while (!session->running && session->requests.length) {
        Request *request = g_queue_pop_head(&session->requests);

        session->running = request;
        if (request->error || !find_command(request, false, &request->error)) {
            finish_in_order(session);
        } else if (request->command->flags & RH_QMP_COROUTINE) {
            rh_co_start(run_in_coroutine, session);
        } else {
            call(request);
            finish_in_order(session);
        }
    }
    rh_char_accept_input(&session->user);
}

/* --- input --- */

/* Fill @request from @message; false and @err when it is no command. */
static bool read_message(Request *request, json_object *message, bool *ret_is_oob, GError **err)
{
    if (!json_object_is_type(message, json_type_object)) {
        return rh_fail(err, "QMP input must be a JSON object");
    }
    request->has_id = json_object_object_get_ex(message, "id", &request->id);
    json_object_get(request->id);
    json_object_object_foreach (message, name, value) {
        bool is_oob = strcmp(name, "exec-oob") == 0;

        if (is_oob || strcmp(name, "execute") == 0) {
            if (!json_object_is_type(value, json_type_string)) {
                return rh_fail(err, "QMP input member '%s' must be a string", name);
            }
            if (request->name) {
                return rh_fail(err, "QMP input member 'execute' clashes with 'exec-oob'");
            }
            request->name = g_strdup(json_object_get_string(value));
            *ret_is_oob = is_oob;
        } else if (strcmp(name, "arguments") == 0) {
            if (!json_object_is_type(value, json_type_object)) {
                return rh_fail(err, "QMP input member 'arguments' must be an object");
            }
            request->arguments = json_object_get(value);
        } else if (strcmp(name, "id") != 0) {
            return rh_fail(err, "QMP input member '%s' is unexpected", name);
        }
    }
    return request->name || rh_fail(err, "QMP input lacks member 'execute'");
}

static void take_message(void *opaque, json_object *message, const GError *error)
{
    RhQmpSession *session = opaque;
    Request *request = g_new0(Request, 1);
    bool is_oob = false;

    request->session = session;
    request->client = session->client;
    if (error) {
        request->error = g_error_copy(error);
    } else {
        read_message(request, message, &is_oob, &request->error);
    }
    json_object_put(message);
    if (is_oob && !request->error && find_command(request, true, &request->error)) {
        call(request);
        send_reply(request);
        request_free(request);
        return;
    }
    g_queue_push_tail(&session->requests, request);
}

static size_t session_can_receive(void *opaque)
{
    const RhQmpSession *session = opaque;

    if (rh_char_pending(&session->user) > QUIET_ABOVE || session->requests.length >= MAX_QUEUED) {
        return 0;
    }
    return INPUT_CHUNK;
}

static void has_room(void *opaque)
{
    RhQmpSession *session = opaque;

    rh_char_accept_input(&session->user);
}

static void session_receive(void *opaque, const uint8_t *buf, size_t len)
{
    RhQmpSession *session = opaque;

    rh_json_stream_feed(session->stream, (const char *)buf, len);
    run_queue(session);
    if (rh_char_pending(&session->user) > QUIET_ABOVE) {
        rh_char_on_writable(&session->user, has_room, session);
    }
}

/* --- clients come and go --- */

static void forget_client(RhQmpSession *session)
{
    session->client++;
    session->is_negotiated = session->has_oob = false;
    rh_json_stream_reset(session->stream);
    g_queue_clear_full(&session->requests, (GDestroyNotify)request_free);
}

static void session_event(void *opaque, RhCharEvent event)
{
    RhQmpSession *session = opaque;

    if (event == RH_CHAR_OPENED || event == RH_CHAR_CLOSED) {
        forget_client(session);
    }
    if (event == RH_CHAR_OPENED) {
        greet(session);
    }
}

static const RhCharUserOps session_ops = {
    .can_receive = session_can_receive,
    .receive = session_receive,
    .event = session_event,
    .yields_focus = true,
};

bool rh_qmp_session_open(RhVm *vm, RhChardev *chr, bool is_pretty, GError **err)
{
    RhQmpSession *session = g_new0(RhQmpSession, 1);

    session->vm = vm;
    session->is_pretty = is_pretty;
    session->stream = rh_json_stream_new(RH_JSON_MAX_BYTES, RH_JSON_MAX_DEPTH, take_message, session);
    g_queue_init(&session->requests);
    if (!rh_char_attach(&session->user, chr, &session_ops, session, err)) {
        rh_qmp_session_free(session);
        return false;
    }
    g_ptr_array_add(rh_monitor_room(vm)->qmp, session);
    return true;
}

void rh_qmp_session_free(RhQmpSession *session)
{
    rh_char_detach(&session->user);
    g_queue_clear_full(&session->requests, (GDestroyNotify)request_free);
    g_clear_pointer(&session->running, request_free);
    rh_json_stream_free(session->stream);
    g_free(session);
}
