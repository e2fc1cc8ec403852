/*
 * Sources of random bytes for devices: objects that the user makes (-object rng-random) or a device takes
 * by default (rng-builtin). Lock: machine lock; answers come on the main loop.
 */
#ifndef RH_SOFTMMU_RNG_H
#define RH_SOFTMMU_RNG_H

#include "qom/object.h"

#define RH_TYPE_RNG         "rng-backend"
#define RH_TYPE_RNG_RANDOM  "rng-random"
#define RH_TYPE_RNG_BUILTIN "rng-builtin"

typedef struct RhRng RhRng;
typedef struct RhRngRequest RhRngRequest;

/** RhRngRequest - in the asker's memory, one answer each; zero-filled is not asked */
struct RhRngRequest {
    void (*fn)(void *opaque, const uint8_t *bytes, size_t len);     /* 1..size bytes came; it may ask again */
    void *opaque;
    size_t size;
    RhRng *rng;                     /* private: NULL while not asked */
    RhRngRequest *next;
};

typedef struct RhRngType {
    RhType;
    void (*asked)(RhRng *rng);      /* rng->first is no longer NULL: see to it that rh_rng_answer is called */
    void (*idle)(RhRng *rng);       /* the last request went; may be NULL */
} RhRngType;

struct RhRng {
    RhObject obj;
    bool is_opened;                 /* "opened", kept for old configurations */
    unsigned users;
    RhRngRequest *first;
    RhRngRequest *last;
};

/** rh_rng_ask - call request->fn once with up to request->size bytes, from the main loop; sizes are cut to RH_RNG_CHUNK */
enum { RH_RNG_CHUNK = 4096 };
void rh_rng_ask(RhRng *rng, RhRngRequest *request);
/** rh_rng_cancel - fn is not called any more; safe when not asked */
void rh_rng_cancel(RhRngRequest *request);
/** rh_rng_answer - for sources: give @len bytes to the first request */
void rh_rng_answer(RhRng *rng, const uint8_t *bytes, size_t len);

#endif
