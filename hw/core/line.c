/*
 * Lines and pins.
 */
#include "hw/core/line.h"
#include "hw/core/device.h"

void rh_line_set(RhLine *line, int level)
{
    if (line->level != level) {
        line->level = level;
        if (line->fn) {
            line->fn(line->opaque, line->pin, level);
        }
    }
}

void rh_line_pulse(RhLine *line)
{
    rh_line_set(line, 1);
    rh_line_set(line, 0);
}

void rh_line_connect_fn(RhLine *line, RhPinFn *fn, void *opaque, unsigned pin)
{
    if (line->level && line->fn) {
        line->fn(line->opaque, line->pin, 0);
    }
    line->fn = fn;
    line->opaque = opaque;
    line->pin = pin;
    if (line->level && fn) {
        fn(opaque, pin, line->level);
    }
}

/* One pin group of a device as a sink: the unnamed group's function is found again at each change. */
static void drive_unnamed(void *opaque, unsigned pin, int level)
{
    rh_pin_set(opaque, NULL, pin, level);
}

/* A named group needs its name as well: the sink is this small record, owned by the device. */
typedef struct NamedSink {
    RhDevice *dev;
    const char *name;
} NamedSink;

static void drive_named(void *opaque, unsigned pin, int level)
{
    const NamedSink *sink = opaque;

    rh_pin_set(sink->dev, sink->name, pin, level);
}

static void free_sink(RhDevice *dev, void *arg)
{
    g_free(arg);
}

void rh_line_connect(RhLine *line, RhDevice *sink, const char *name, unsigned pin)
{
    const RhPinDesc *pins = rh_device_find_pins(sink, name);
    NamedSink *named;

    g_assert(pins && pin < pins->nr);
    if (!name) {
        rh_line_connect_fn(line, drive_unnamed, sink, pin);
        return;
    }
    named = g_new0(NamedSink, 1);
    named->dev = sink;
    named->name = pins->name;
    rh_device_claim(sink, free_sink, named);
    rh_line_connect_fn(line, drive_named, named, pin);
}

const RhPinDesc *rh_device_find_pins(const RhDevice *dev, const char *name)
{
    for (const RhType *type = dev->obj.type; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        const RhDeviceType *level = (const RhDeviceType *)type;

        for (size_t i = 0; i < level->pins.nr; i++) {
            if (g_strcmp0(level->pins.rows[i].name, name) == 0) {
                return &level->pins.rows[i];
            }
        }
    }
    return NULL;
}

void rh_pin_set(RhDevice *dev, const char *name, unsigned pin, int level)
{
    if (dev->intercept_in) {
        dev->intercept_in(dev->intercept_opaque, pin, level);
    } else {
        rh_device_find_pins(dev, name)->set(dev, pin, level);
    }
}

RhLine *rh_device_find_line(RhDevice *dev, const char *name, unsigned nr)
{
    for (const RhType *type = dev->obj.type; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        const RhDeviceType *level = (const RhDeviceType *)type;

        for (size_t i = 0; i < level->lines.nr; i++) {
            const RhLineDesc *desc = &level->lines.rows[i];

            if (g_strcmp0(name, desc->name) == 0 && nr < MAX(desc->nr, 1)) {
                return (RhLine *)((char *)dev + desc->offset) + nr;
            }
        }
    }
    return NULL;
}

void rh_device_intercept_in(RhDevice *dev, RhPinFn *fn, void *opaque)
{
    dev->intercept_in = fn;
    dev->intercept_opaque = opaque;
}

void rh_device_intercept_out(RhDevice *dev, const char *name, RhPinFn *fn, void *opaque)
{
    for (const RhType *type = dev->obj.type; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        const RhDeviceType *level = (const RhDeviceType *)type;

        for (size_t i = 0; i < level->lines.nr; i++) {
            const RhLineDesc *desc = &level->lines.rows[i];
            RhLine *lines = (RhLine *)((char *)dev + desc->offset);

            for (unsigned n = 0; (!name || g_strcmp0(name, desc->name) == 0) && n < MAX(desc->nr, 1); n++) {
                rh_line_connect_fn(&lines[n], fn, opaque, n);
            }
        }
    }
}
