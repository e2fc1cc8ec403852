/*
 * virtserialport, virtconsole - ports of a virtio-serial device, each with a character back-end
 * Spec: virtio 1.2 §5.3.  Lock: machine lock.
 */
#include "hw/char/virtio-serial.h"
#include "qapi-events.h"
#include "util/iov.h"

enum { CHUNK = 4096 };          /* most that is taken from the back-end at once */

/* --- guest to host --- */

static void writable(void *opaque)
{
    vserial_port_send(opaque);
}

/* The rest of the buffer in hand; false when the back-end is full and will call again. */
static bool send_rest(VSerialPort *port)
{
    RhVirtElem *elem = port->sending;
    uint8_t bytes[CHUNK];

    while (port->sent < elem->out_bytes) {
        size_t got = rh_iov_to_buf(elem->out, elem->nr_out, port->sent, bytes, sizeof(bytes));
        size_t taken = port->user.chr ? rh_char_write(&port->user, bytes, got) : got;

        port->sent += taken;
        if (taken < got) {
            rh_char_on_writable(&port->user, writable, port);
            return false;
        }
    }
    port->sending = NULL;
    rh_virtq_push(elem, 0);
    return true;
}

void vserial_port_send(VSerialPort *port)
{
    RhVirtq *queue = vserial_port_queue(port, true);

    while (port->sending || (port->sending = rh_virtq_pop(queue))) {
        if (!send_rest(port)) {
            break;
        }
        port->sent = 0;
    }
    rh_virtq_flush(queue);
}

/* A buffer sent in part cannot go back to the driver: its rest goes to the back-end's own buffer. */
void vserial_port_stop(VSerialPort *port)
{
    RhVirtElem *elem = g_steal_pointer(&port->sending);
    uint8_t bytes[CHUNK];
    size_t got;

    if (!elem) {
        return;
    }
    rh_char_on_writable(&port->user, NULL, NULL);
    if (!port->sent) {
        rh_virtq_unpop(elem);
        return;
    }
    while ((got = rh_iov_to_buf(elem->out, elem->nr_out, port->sent, bytes, sizeof(bytes)))) {
        rh_char_write_all(&port->user, bytes, got);
        port->sent += got;
    }
    port->sent = 0;
    rh_virtq_push(elem, 0);
    rh_virtq_flush(vserial_port_queue(port, true));
}

void vserial_port_emergency(VSerialPort *port, uint8_t byte)
{
    if (port->user.chr) {
        rh_char_write(&port->user, &byte, 1);
    }
}

/* --- host to guest --- */

static size_t port_can_receive(void *opaque)
{
    VSerialPort *port = opaque;
    size_t in, out;

    if (!port->regs.is_guest_open || !port->serial->parent.is_started) {
        return 0;
    }
    rh_virtq_peek_bytes(vserial_port_queue(port, false), CHUNK, 0, &in, &out);
    return in;
}

static void port_receive(void *opaque, const uint8_t *buf, size_t len)
{
    VSerialPort *port = opaque;
    RhVirtq *queue = vserial_port_queue(port, false);
    RhVirtElem *elem;
    size_t done = 0;

    while (done < len && (elem = rh_virtq_pop(queue))) {
        size_t put = rh_iov_from_buf(elem->in, elem->nr_in, 0, buf + done, len - done);

        done += put;
        rh_virtq_push(elem, (uint32_t)put);
    }
    rh_virtq_flush(queue);
}

void vserial_port_receive(VSerialPort *port)
{
    if (port->user.chr && port->regs.is_guest_open) {
        rh_char_accept_input(&port->user);
    }
}

/* --- open and closed --- */

static void set_host_open(VSerialPort *port, bool is_open)
{
    if (port->is_host_open != is_open) {
        port->is_host_open = is_open;
        vserial_tell(port->serial, port->nr, CTL_PORT_OPEN, is_open, NULL);
    }
}

static void port_event(void *opaque, RhCharEvent event)
{
    VSerialPort *port = opaque;

    if (!port->is_console && (event == RH_CHAR_OPENED || event == RH_CHAR_CLOSED)) {
        set_host_open(port, event == RH_CHAR_OPENED);
    }
}

void vserial_port_set_guest_open(VSerialPort *port, bool is_open)
{
    if (port->regs.is_guest_open == is_open) {
        return;
    }
    port->regs.is_guest_open = is_open;
    if (port->user.chr) {
        rh_char_set_open(&port->user, is_open);
    }
    if (port->parent.id && !port->is_console) {
        qmp_event_vserport_change(rh_device_vm(&port->parent)->events, port->parent.id, is_open);
    }
    if (is_open) {
        vserial_port_receive(port);
    }
}

void vserial_port_introduce(VSerialPort *port)
{
    if (port->is_console) {
        vserial_tell(port->serial, port->nr, CTL_CONSOLE_PORT, 1, NULL);
    }
    if (port->name) {
        vserial_tell(port->serial, port->nr, CTL_PORT_NAME, 1, port->name);
    }
    if (port->is_host_open) {
        vserial_tell(port->serial, port->nr, CTL_PORT_OPEN, 1, NULL);
    }
}

/* --- the device --- */

static const RhCharUserOps port_ops = {
    .can_receive = port_can_receive, .receive = port_receive, .event = port_event, .can_move = true,
};

static void port_release(RhDevice *dev, void *arg)
{
    VSerialPort *port = RH_SELF(VSerialPort, dev);

    vserial_port_stop(port);
    vserial_port_set_guest_open(port, false);
    vserial_leave(port->serial, port);
    rh_char_detach(&port->user);
}

static bool port_realize(RhDevice *dev, GError **err)
{
    VSerialPort *port = RH_SELF(VSerialPort, dev);

    port->serial = RH_SELF(VSerial, dev->bus->owner);
    port->is_console = rh_object_is(&dev->obj, "virtconsole");
    port->is_host_open = port->is_console;
    if (!vserial_enter(port->serial, port, err)) {
        return false;
    }
    rh_device_claim(dev, port_release, NULL);
    if (port->chardev.chr && !rh_char_attach(&port->user, port->chardev.chr, &port_ops, port, err)) {
        return false;
    }
    if (!vserial_has_multiport(port->serial) && port->nr == 0 && port->serial->parent.is_started) {
        vserial_port_set_guest_open(port, true);
    }
    return true;
}

static void port_settle(RhDevice *dev)
{
    VSerialPort *port = RH_SELF(VSerialPort, dev);

    if (port->user.chr) {
        rh_char_set_open(&port->user, port->regs.is_guest_open);
    }
}

static const RhProp port_props[] = {
    RH_PROP("nr", VSerialPort, nr, .def = UINT32_MAX, .doc = "port number; default: the first that is free"),
    RH_PROP("name", VSerialPort, name, .doc = "name that the guest sees"),
    RH_PROP_AS(rh_prop_chardev, "chardev", VSerialPort, chardev, .doc = "ID of a chardev to use as a backend"),
};
static const RhField port_fields[] = {
    RH_FIELD(VSerialPortRegs, is_guest_open, .max = 1),
};
static const VSerialPortRegs port_at_reset = { .is_guest_open = 0 };

RH_DEVICE(VSerialPort,
    .name            = RH_TYPE_VIRTIO_SERIAL_PORT,
    .parent          = RH_TYPE_DEVICE,
    .doc             = "Port of a virtio-serial device",
    .is_abstract     = true,
    .is_hotpluggable = true,
    .category        = "Input",
    .bus             = RH_TYPE_VIRTIO_SERIAL_BUS,
    .props           = RH_TABLE(port_props),
    .state           = RH_STATE(VSerialPort, regs, port_at_reset, .version = 1, .fields = RH_TABLE(port_fields)),
    .realize         = port_realize,
    .settle          = port_settle);

RH_DEVICE_NAMED(SerialPort, VSerialPort,
    .name   = "virtserialport",
    .parent = RH_TYPE_VIRTIO_SERIAL_PORT,
    .doc    = "Port with a name, for agents and the like");

RH_DEVICE_NAMED(ConsolePort, VSerialPort,
    .name   = "virtconsole",
    .parent = RH_TYPE_VIRTIO_SERIAL_PORT,
    .doc    = "Console (hvc0 and further in Linux)");
