/*
 * Drives the program over its qtest and QMP sockets, from a test of GLib's kind. Every failure of the program or of the
 * protocol fails the test. The binary is named by the environment variable QTEST_BINARY.
 */
#ifndef TESTS_QTEST_LIBQTEST_H
#define TESTS_QTEST_LIBQTEST_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Qtest Qtest;

/** qtest_start - run the binary with "-accel qtest", both sockets and @args (split as a shell would) */
Qtest *qtest_start(const char *args);
/** qtest_quit - end it by QMP; its exit status must be 0 */
void qtest_quit(Qtest *q);

uint8_t qtest_inb(Qtest *q, uint16_t port);
uint16_t qtest_inw(Qtest *q, uint16_t port);
uint32_t qtest_inl(Qtest *q, uint16_t port);
void qtest_outb(Qtest *q, uint16_t port, uint8_t value);
void qtest_outw(Qtest *q, uint16_t port, uint16_t value);
void qtest_outl(Qtest *q, uint16_t port, uint32_t value);
uint8_t qtest_readb(Qtest *q, uint64_t addr);
uint16_t qtest_readw(Qtest *q, uint64_t addr);
void qtest_writeb(Qtest *q, uint64_t addr, uint8_t value);
void qtest_writew(Qtest *q, uint64_t addr, uint16_t value);
uint32_t qtest_readl(Qtest *q, uint64_t addr);
uint64_t qtest_readq(Qtest *q, uint64_t addr);
void qtest_writel(Qtest *q, uint64_t addr, uint32_t value);
void qtest_writeq(Qtest *q, uint64_t addr, uint64_t value);
void qtest_memread(Qtest *q, uint64_t addr, void *buf, size_t len);
void qtest_memwrite(Qtest *q, uint64_t addr, const void *buf, size_t len);
/** qtest_command - send a line, return the answer without "OK " and newline; valid until the next command */
const char *qtest_command(Qtest *q, const char *format, ...) __attribute__((format(printf, 2, 3)));

int64_t qtest_clock_step(Qtest *q, int64_t ns);
/** qtest_intercept_in - from now on qtest_irq tells the levels of @path's input pins */
void qtest_intercept_in(Qtest *q, const char *path);
bool qtest_irq(Qtest *q, unsigned pin);

/** qtest_qmp - execute a command given as JSON text; returns the answer ("return" or "error"), the caller's; events are passed over */
json_object *qtest_qmp(Qtest *q, const char *json);
/** qtest_ok - execute a command that must succeed */
void qtest_ok(Qtest *q, const char *json);
/** qtest_event - wait for the next event @name; those that came before it are forgotten. The caller's */
json_object *qtest_event(Qtest *q, const char *name);
/** qtest_reset - system_reset, and wait until it happened */
void qtest_reset(Qtest *q);
/** qtest_exited - wait until the program ends by itself, forget it, and return its exit status */
int qtest_exited(Qtest *q);
/** qtest_refused - the program must not start with @args: exit status 1, and @why is part of what it says */
void qtest_refused(const char *args, const char *why);

#endif
