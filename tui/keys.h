/*
 * tui/keys.h - bytes of a terminal to keys, mouse, focus, pastes and replies.
 *
 * Own parser, so that no library swallows half a sequence: UTF-8, CSI and SS3 keys (xterm, rxvt,
 * Linux console, modifyOtherKeys and CSI u forms), SGR and X10 mouse, focus in/out, bracketed
 * paste, device replies. Nothing here reads, waits or knows the time; the caller brings both.
 *
 *   oc_keys_feed(bytes, now)  ->  while (oc_keys_next(now, &in)) ...  ->  poll(oc_keys_wait_ns)
 *
 * What could still grow into a longer sequence is held back: a lone ESC for 25 ms, a longer
 * beginning or a cut UTF-8 character for 100 ms, an open paste for one second of silence.
 */
#ifndef OC_TUI_KEYS_H
#define OC_TUI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "views/view.h"

#define OC_KEYS_ESC_NS    (25 * 1000000LL)
#define OC_KEYS_PART_NS   (100 * 1000000LL)
#define OC_KEYS_PASTE_NS  (1000 * 1000000LL)
#define OC_KEYS_PASTE_MAX 65536 /* bytes of a paste that are kept */

typedef enum { OC_IN_KEY, OC_IN_MOUSE, OC_IN_FOCUS, OC_IN_PASTE, OC_IN_REPLY } oc_input_kind;
enum { OC_MOD_SHIFT = 1, OC_MOD_ALT = 2, OC_MOD_CTRL = 4 };
typedef enum {
    OC_MOUSE_PRESS,
    OC_MOUSE_RELEASE,
    OC_MOUSE_DRAG,
    OC_MOUSE_WHEEL_UP,
    OC_MOUSE_WHEEL_DOWN
} oc_mouse_act;

typedef struct oc_input {
    oc_input_kind kind;
    /* KEY: a code point, a control byte (Ctrl-R is 18), or an oc_key; OC_KEY_NONE when a sequence
     * is not known (its bytes are still given, readline may have a binding for it). */
    uint32_t key;
    uint8_t mods;
    /* MOUSE: cells from 0 */
    oc_mouse_act act;
    uint8_t button; /* 0 left 1 middle 2 right */
    int32_t x, y;
    bool focus_in; /* FOCUS */
    char reply;    /* REPLY: final byte ('n' of ESC[0n), ']' or 'P' for strings; */
    int32_t arg;   /*        its first number */
    bool cut;      /* PASTE: longer than OC_KEYS_PASTE_MAX, the rest was dropped */
    /* The original bytes of a key, or the text of a paste. Borrowed until the next feed or next. */
    const char *bytes;
    size_t n_bytes;
} oc_input;

typedef struct oc_keys {
    oc_buf in;      /* not yet understood */
    size_t at;      /* consumed part of it */
    int64_t fed_ns; /* when the newest byte came */
    bool pasting, paste_cut;
    oc_buf paste;
} oc_keys;

void oc_keys_release(oc_keys *k); /* zero-initialized before first use */
/* Out of memory loses input, never more. */
void oc_keys_feed(oc_keys *k, const void *bytes, size_t n, int64_t now_ns);
/* Next input; false when none is complete at this time. */
bool oc_keys_next(oc_keys *k, int64_t now_ns, oc_input *out);
/* Time until held-back bytes resolve; -1 when nothing is held back. */
int64_t oc_keys_wait_ns(const oc_keys *k, int64_t now_ns);

#endif
