/* The same on the board where virtio stands on virtio-mmio. A process has one board: its thread has one event loop. */
#define BOARD "microvm"
#include "fuzz-devices.c"
