/*
 * Interrupt and signal lines: an output (RhLine) drives an input pin (a function of the sink).
 * Lock: the machine lock.
 */
#ifndef RH_HW_CORE_LINE_H
#define RH_HW_CORE_LINE_H

#include <stdbool.h>

typedef struct RhDevice RhDevice;

typedef void RhPinFn(void *opaque, unsigned pin, int level);

/** RhLine - an output in its owner's memory; zero-filled is unconnected and low */
typedef struct RhLine {
    RhPinFn *fn;
    void *opaque;
    unsigned pin;
    int level;
} RhLine;

/** rh_line_set - drive the line; the sink is called only when the level changes */
void rh_line_set(RhLine *line, int level);
/** rh_line_pulse - drive high, then low; an edge for edge-triggered sinks */
void rh_line_pulse(RhLine *line);
/** rh_line_connect_fn - let @line drive fn(opaque, pin, level); a high level leaves an earlier sink and goes to this one */
void rh_line_connect_fn(RhLine *line, RhPinFn *fn, void *opaque, unsigned pin);
/** rh_line_connect - to input @pin of the group @name (NULL: the unnamed one) of device @sink */
void rh_line_connect(RhLine *line, RhDevice *sink, const char *name, unsigned pin);

#endif
