/*
 * virtio-serial-device - serial ports and consoles behind one virtio device
 * Queues 0 and 1 are port 0's, 2 and 3 carry control messages, then two for each further port.
 * Spec: virtio 1.2 §5.3.  Lock: machine lock.
 */
#include "hw/char/virtio-serial.h"
#include "hw/virtio/pci.h"
#include "util/iov.h"

enum { F_SIZE = 0, F_MULTIPORT = 1, F_EMERG_WRITE = 2 };
enum { VIRTIO_ID_CONSOLE = 3, QUEUE_SIZE = 128, CONTROL_QUEUE_SIZE = 32, CONTROL_IN = 2, CONTROL_OUT = 3, ALL = UINT32_MAX };

typedef struct SerialConfig {       /* §5.3.4 */
    uint16_t cols;
    uint16_t rows;
    uint32_t max_nr_ports;
    uint32_t emerg_wr;
} SerialConfig;

typedef struct ControlMessage {     /* §5.3.6.2, little-endian */
    uint32_t id;
    uint16_t event;
    uint16_t value;
} ControlMessage;

bool vserial_has_multiport(const VSerial *serial)
{
    return rh_virtio_has(&serial->parent, F_MULTIPORT);
}

RhVirtq *vserial_port_queue(const VSerialPort *port, bool is_send)
{
    unsigned first = port->nr ? 2 * port->nr + 2 : 0;

    return rh_virtio_queue(&port->serial->parent, first + is_send);
}

static VSerialPort *port_of_queue(VSerial *serial, unsigned index)
{
    return serial->ports[index < 2 ? 0 : index / 2 - 1];
}

/* --- control --- */

void vserial_tell(VSerial *serial, uint32_t port, uint16_t event, uint16_t value, const char *text)
{
    const ControlMessage message = { port, event, value };
    size_t text_len = text ? strlen(text) + 1 : 0;
    RhVirtq *queue;
    RhVirtElem *elem;
    size_t put;

    if (!vserial_has_multiport(serial) || !serial->parent.is_started) {
        return;
    }
    queue = rh_virtio_queue(&serial->parent, CONTROL_IN);
    elem = rh_virtq_pop(queue);
    if (!elem) {
        rh_guest_error(&serial->parent.parent, "no buffer for control message %u of port %u", event, port);
        return;
    }
    put = rh_iov_from_buf(elem->in, elem->nr_in, 0, &message, sizeof(message));
    put += rh_iov_from_buf(elem->in, elem->nr_in, sizeof(message), text, text_len);
    rh_virtq_push(elem, (uint32_t)put);
    rh_virtq_flush(queue);
}

static void control_message(VSerial *serial, const ControlMessage *message)
{
    VSerialPort *port = message->id < serial->max_ports ? serial->ports[message->id] : NULL;

    if (message->event == CTL_DEVICE_READY) {
        for (uint32_t i = 0; message->value && i < serial->max_ports; i++) {
            if (serial->ports[i]) {
                vserial_tell(serial, i, CTL_PORT_ADD, 1, NULL);
            }
        }
        return;
    }
    if (!port) {
        rh_guest_error(&serial->parent.parent, "control message %u for port %u, which is not there", message->event,
                       message->id);
    } else if (message->event == CTL_PORT_READY && message->value) {
        vserial_port_introduce(port);
    } else if (message->event == CTL_PORT_OPEN) {
        vserial_port_set_guest_open(port, message->value);
    }
}

static void control_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    RhVirtElem *elem;

    do {
        rh_virtq_mute(queue);
        while ((elem = rh_virtq_pop(queue))) {
            ControlMessage message;

            if (rh_iov_to_buf(elem->out, elem->nr_out, 0, &message, sizeof(message)) == sizeof(message)) {
                control_message(RH_SELF(VSerial, vdev), &message);
            }
            rh_virtq_push(elem, 0);
        }
    } while (rh_virtq_unmute(queue));
    rh_virtq_flush(queue);
}

static void control_in_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    /* Buffers for messages to come. */
}

static void receive_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    VSerialPort *port = port_of_queue(RH_SELF(VSerial, vdev), queue->index);

    if (port) {
        vserial_port_receive(port);
    }
}

/* What is sent to a port that is not there gets lost. */
static void send_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    VSerialPort *port = port_of_queue(RH_SELF(VSerial, vdev), queue->index);
    RhVirtElem *elem;

    if (port) {
        vserial_port_send(port);
        return;
    }
    while ((elem = rh_virtq_pop(queue))) {
        rh_virtq_push(elem, 0);
    }
    rh_virtq_flush(queue);
}

/* --- ports --- */

bool vserial_enter(VSerial *serial, VSerialPort *port, GError **err)
{
    if (port->nr == ALL) {      /* port 0 is a console's: drivers without multiport know no other */
        for (port->nr = port->is_console ? 0 : 1; port->nr < serial->max_ports && serial->ports[port->nr]; port->nr++) {
        }
        if (port->nr >= serial->max_ports) {
            port->nr = ALL;
            return rh_fail(err, "virtio-serial-bus: Maximum port limit for this device reached");
        }
    }
    if (port->nr == 0 && !port->is_console) {
        return rh_fail(err, "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward "
                            "compatibility.");
    }
    if (port->nr >= serial->max_ports) {
        return rh_fail(err, "virtio-serial-bus: Out-of-range port id specified, max. allowed: %u",
                       serial->max_ports - 1);
    }
    if (serial->ports[port->nr]) {
        return rh_fail(err, "virtio-serial-bus: A port already exists at id %u", port->nr);
    }
    for (uint32_t i = 0; port->name && i < serial->max_ports; i++) {
        if (serial->ports[i] && g_strcmp0(serial->ports[i]->name, port->name) == 0) {
            return rh_fail(err, "virtio-serial-bus: A port already exists by name %s", port->name);
        }
    }
    serial->ports[port->nr] = port;
    vserial_tell(serial, port->nr, CTL_PORT_ADD, 1, NULL);
    return true;
}

void vserial_leave(VSerial *serial, VSerialPort *port)
{
    serial->ports[port->nr] = NULL;
    vserial_tell(serial, port->nr, CTL_PORT_REMOVE, 1, NULL);
}

/* --- the device --- */

static uint64_t serial_get_features(RhVirtioDevice *vdev)
{
    const VSerial *serial = RH_SELF(VSerial, vdev);

    return (serial->max_ports > 1 ? RH_VIRTIO_BIT(F_MULTIPORT) : 0) |
           (serial->has_emergency_write ? RH_VIRTIO_BIT(F_EMERG_WRITE) : 0);
}

static void serial_config_read(RhVirtioDevice *vdev, void *ret_config)
{
    ((SerialConfig *)ret_config)->max_nr_ports = RH_SELF(VSerial, vdev)->max_ports;
}

static void serial_config_write(RhVirtioDevice *vdev, const void *config, unsigned at, unsigned len)
{
    VSerial *serial = RH_SELF(VSerial, vdev);

    if (at == offsetof(SerialConfig, emerg_wr) && serial->has_emergency_write && serial->ports[0]) {
        vserial_port_emergency(serial->ports[0], (uint8_t)((const SerialConfig *)config)->emerg_wr);
    }
}

static void serial_start(RhVirtioDevice *vdev)
{
    VSerial *serial = RH_SELF(VSerial, vdev);

    if (!vserial_has_multiport(serial) && serial->ports[0]) {
        vserial_port_set_guest_open(serial->ports[0], true);
    }
}

static void serial_stop(RhVirtioDevice *vdev)
{
    VSerial *serial = RH_SELF(VSerial, vdev);

    for (uint32_t i = 0; i < serial->max_ports; i++) {
        if (serial->ports[i]) {
            vserial_port_stop(serial->ports[i]);
        }
    }
}

static void serial_queue_reset(RhVirtioDevice *vdev, RhVirtq *queue)
{
    VSerialPort *port = port_of_queue(RH_SELF(VSerial, vdev), queue->index);

    if (port && vserial_port_queue(port, true) == queue) {
        vserial_port_stop(port);
    }
}

/* "ID.0" of the device that the user named: the proxy, or this one; ports are put there by that name. */
static char *bus_name(const RhDevice *dev)
{
    const RhDevice *named = dev->bus->owner && dev->obj.parent == &dev->bus->owner->obj ? dev->bus->owner : dev;

    return named->id ? g_strdup_printf("%s.0", named->id) : g_strdup(RH_TYPE_VIRTIO_SERIAL_BUS ".0");
}

static bool serial_realize(RhDevice *dev, GError **err)
{
    VSerial *serial = RH_SELF(VSerial, dev);

    if (serial->max_ports < 1 || serial->max_ports > VSERIAL_MAX_PORTS) {
        return rh_fail(err, "Property 'max_ports' is %u, must be 1 to %d", serial->max_ports, VSERIAL_MAX_PORTS);
    }
    if (!serial->bus) {
        g_autofree char *name = bus_name(dev);

        serial->bus = rh_bus_new(rh_device_vm(dev), RH_TYPE_VIRTIO_SERIAL_BUS, dev, name);
        serial->bus->allows_hotplug = true;
    }
    rh_virtio_add_queue(&serial->parent, QUEUE_SIZE, 0, receive_kick);
    rh_virtio_add_queue(&serial->parent, QUEUE_SIZE, 0, send_kick);
    if (serial->max_ports > 1) {
        rh_virtio_add_queue(&serial->parent, CONTROL_QUEUE_SIZE, 0, control_in_kick);
        rh_virtio_add_queue(&serial->parent, CONTROL_QUEUE_SIZE, 0, control_kick);
    }
    for (uint32_t i = 1; i < serial->max_ports; i++) {
        rh_virtio_add_queue(&serial->parent, QUEUE_SIZE, 0, receive_kick);
        rh_virtio_add_queue(&serial->parent, QUEUE_SIZE, 0, send_kick);
    }
    return true;
}

/* The driver's reset closes all ports. A machine's reset does so, too, through the ports' own. */
static void serial_reset(RhDevice *dev)
{
    VSerial *serial = RH_SELF(VSerial, dev);

    for (uint32_t i = 0; i < serial->max_ports && i < VSERIAL_MAX_PORTS; i++) {
        if (serial->ports[i]) {
            vserial_port_set_guest_open(serial->ports[i], false);
        }
    }
}

static const RhBusType serial_bus_type = {
    .name = RH_TYPE_VIRTIO_SERIAL_BUS,
    .parent = RH_TYPE_BUS,
    .doc = "Ports of one virtio-serial device",
    .size = sizeof(RhBus),
};
RH_TYPE_ENTRY(serial_bus_type);

static const RhProp serial_props[] = {
    RH_PROP("max_ports", VSerial, max_ports, .def = VSERIAL_MAX_PORTS, .doc = "ports at most, 1 to 31"),
    RH_PROP("emergency-write", VSerial, has_emergency_write, .def = true,
            .doc = "offer output of single bytes before queues are set up"),
};

RH_VIRTIO_DEVICE(VSerial,
    .name         = "virtio-serial-device",
    .parent       = RH_TYPE_VIRTIO_DEVICE,
    .doc          = "Serial ports and consoles",
    .category     = "Input",
    .props        = RH_TABLE(serial_props),
    .realize      = serial_realize,
    .reset        = serial_reset,
    .virtio_id    = VIRTIO_ID_CONSOLE,
    .config_size  = sizeof(SerialConfig),
    .get_features = serial_get_features,
    .config_read  = serial_config_read,
    .config_write = serial_config_write,
    .start        = serial_start,
    .stop         = serial_stop,
    .queue_reset  = serial_queue_reset);

RH_VIRTIO_PCI(VSerial, .name = "virtio-serial", .legacy_id = 0x1003, .class_id = 0x0780, .vectors = 2,
              .category = "Input");
RH_TYPE_ALIAS(virtio_serial, "virtio-serial", "virtio-serial-pci");
