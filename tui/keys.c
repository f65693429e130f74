#include "tui/keys.h"

#include <string.h>

#include "core/base/str.h"

#define ESC        0x1b
#define SEQ_MAX    64   /* longest CSI that is believed */
#define STRING_MAX 4096 /* longest OSC or DCS reply */

#define PASTE_END     "\033[201~"
#define PASTE_END_LEN 6

void oc_keys_release(oc_keys *k)
{
    oc_buf_release(&k->in);
    oc_buf_release(&k->paste);
    *k = (oc_keys){0};
}

void oc_keys_feed(oc_keys *k, const void *bytes, size_t n, int64_t now_ns)
{
    if (k->at > 0 && k->in.len > 0) {
        memmove(k->in.data, k->in.data + k->at, k->in.len - k->at);
        k->in.len -= k->at;
        k->in.data[k->in.len] = '\0';
    }
    k->at = 0;
    oc_buf_add(&k->in, bytes, n);
    if (k->in.failed)
        oc_buf_release(&k->in);
    k->fed_ns = now_ns;
}

static void set_key(oc_input *out, uint32_t key, unsigned mods)
{
    out->kind = OC_IN_KEY;
    out->key = key;
    out->mods = (uint8_t)mods;
}

/* One byte below 32 or 127. */
static uint32_t control_key(unsigned char b)
{
    switch (b) {
    case 0x03: return OC_KEY_CTRL_C;
    case 0x08:
    case 0x7f: return OC_KEY_BACKSPACE;
    case 0x09: return OC_KEY_TAB;
    case 0x0a:
    case 0x0d: return OC_KEY_ENTER;
    case 0x0c: return OC_KEY_CTRL_L;
    case 0x1a: return OC_KEY_CTRL_Z;
    case ESC: return OC_KEY_ESC;
    default: return b;
    }
}

/* A code point that came as a number (CSI u, modifyOtherKeys), with its modifiers. */
static void set_codepoint(oc_input *out, int32_t cp, unsigned mods)
{
    if ((mods & OC_MOD_CTRL) && cp >= '@' && cp < 0x7f) {
        cp &= 0x1f;
        mods &= ~(unsigned)OC_MOD_CTRL;
    }
    if (cp < 0 || cp > 0x10ffff)
        set_key(out, OC_KEY_NONE, 0);
    else if (cp == '\t' && (mods & OC_MOD_SHIFT))
        set_key(out, OC_KEY_BACKTAB, 0);
    else
        set_key(out, cp < 0x20 || cp == 0x7f ? control_key((unsigned char)cp) : (uint32_t)cp, mods);
}

static uint32_t letter_key(char final)
{
    switch (final) {
    case 'A': return OC_KEY_UP;
    case 'B': return OC_KEY_DOWN;
    case 'C': return OC_KEY_RIGHT;
    case 'D': return OC_KEY_LEFT;
    case 'H': return OC_KEY_HOME;
    case 'F': return OC_KEY_END;
    case 'P': return OC_KEY_F1;
    case 'Q': return OC_KEY_F2;
    case 'R': return OC_KEY_F3;
    case 'S': return OC_KEY_F4;
    case 'Z': return OC_KEY_BACKTAB;
    default: return OC_KEY_NONE;
    }
}

static uint32_t tilde_key(int32_t n)
{
    static const uint32_t keys[] = {
        [1] = OC_KEY_HOME, [2] = OC_KEY_INSERT, [3] = OC_KEY_DELETE, [4] = OC_KEY_END,
        [5] = OC_KEY_PGUP, [6] = OC_KEY_PGDN,   [7] = OC_KEY_HOME,   [8] = OC_KEY_END,
        [11] = OC_KEY_F1,  [12] = OC_KEY_F2,    [13] = OC_KEY_F3,    [14] = OC_KEY_F4,
        [15] = OC_KEY_F5,  [17] = OC_KEY_F6,    [18] = OC_KEY_F7,    [19] = OC_KEY_F8,
        [20] = OC_KEY_F9,  [21] = OC_KEY_F10,   [23] = OC_KEY_F11,   [24] = OC_KEY_F12,
    };
    return n >= 0 && n < OC_COUNT(keys) && keys[n] ? keys[n] : OC_KEY_NONE;
}

/* Numbers of "1;5", an empty one is -1; sub-parameters after ':' are passed over. */
static int numbers(const char *s, size_t n, int32_t *v, int max)
{
    int count = 0;
    int32_t now = -1;
    bool sub = false;
    for (size_t i = 0; i <= n; i++) {
        if (i == n || s[i] == ';') {
            if (count < max)
                v[count] = now;
            count++;
            now = -1;
            sub = false;
        } else if (s[i] == ':') {
            sub = true;
        } else if (!sub && s[i] >= '0' && s[i] <= '9' && now < 10000000) {
            now = (now < 0 ? 0 : now * 10) + (s[i] - '0');
        }
    }
    return OC_MIN(count, max);
}

/* xterm: parameter = 1 + bits of shift, alt, control. */
static unsigned modifiers(int32_t param)
{
    return param > 1 ? (unsigned)(param - 1) & 7u : 0;
}

static void set_mouse(oc_input *out, int32_t code, int32_t x, int32_t y, bool release)
{
    out->kind = OC_IN_MOUSE;
    out->x = OC_MAX(x, 1) - 1;
    out->y = OC_MAX(y, 1) - 1;
    out->button = (uint8_t)(code & 3);
    out->mods = (uint8_t)((code >> 2) & 7);
    if (code & 64)
        out->act = (code & 1) ? OC_MOUSE_WHEEL_DOWN : OC_MOUSE_WHEEL_UP;
    else if (release)
        out->act = OC_MOUSE_RELEASE;
    else
        out->act = (code & 32) ? OC_MOUSE_DRAG : OC_MOUSE_PRESS;
}

/* s = "params final" of a whole CSI, ESC [ cut off. */
static void csi_meaning(const char *s, size_t n, oc_input *out)
{
    char final = s[n - 1];
    int32_t v[4] = {-1, -1, -1, -1};
    bool marked = n > 1 && s[0] >= '<' && s[0] <= '?';
    int count = numbers(s + marked, n - 1 - marked, v, 4);
    if (marked && s[0] == '<' && (final == 'M' || final == 'm')) {
        if (count >= 3 && v[0] >= 0)
            set_mouse(out, v[0], v[1], v[2], final == 'm');
        return;
    }
    bool report = final == 'R' && v[0] > 1; // row of a cursor report; F3 has 1 or nothing there
    if (strchr("nycxt", final) || report) {
        out->kind = OC_IN_REPLY;
        out->reply = final;
        out->arg = v[0];
    } else if (!marked && n == 1 && (final == 'I' || final == 'O')) {
        out->kind = OC_IN_FOCUS;
        out->focus_in = final == 'I';
    } else if (!marked && final == '~') {
        if (v[0] == 27 && count >= 3)
            set_codepoint(out, v[2], modifiers(v[1]));
        else
            set_key(out, tilde_key(v[0]), modifiers(v[1]));
    } else if (!marked && final == 'u') {
        set_codepoint(out, v[0], modifiers(v[1]));
    } else if (!marked) {
        set_key(out, letter_key(final), modifiers(v[1]));
    }
}

/* s starts with ESC [. Bytes used; 0 when more are needed. */
static size_t parse_csi(const char *s, size_t n, oc_input *out)
{
    set_key(out, OC_KEY_NONE, 0);
    if (n > 2 && s[2] == '[') { // Linux console: ESC [ [ A is F1
        if (n < 4)
            return 0;
        if (s[3] >= 'A' && s[3] <= 'E')
            set_key(out, OC_KEY_F1 + (uint32_t)(s[3] - 'A'), 0);
        return 4;
    }
    if (n > 2 && s[2] == 'M') { // X10 mouse: three bytes, each value + 32
        if (n < 6)
            return 0;
        int32_t b = (unsigned char)s[3] - 32;
        set_mouse(out, OC_MAX(b, 0), (unsigned char)s[4] - 32, (unsigned char)s[5] - 32,
                  (b & 3) == 3 && !(b & 64));
        return 6;
    }
    for (size_t i = 2; i < n; i++) {
        unsigned char b = (unsigned char)s[i];
        if (b >= 0x40 && b <= 0x7e) {
            csi_meaning(s + 2, i - 1, out);
            return i + 1;
        }
        if (b < 0x20 || b > 0x7e || i >= SEQ_MAX)
            return i; // broken off: what follows is read afresh
    }
    return 0;
}

/* s starts with ESC O. */
static size_t parse_ss3(const char *s, size_t n, oc_input *out)
{
    if (n < 3)
        return 0;
    unsigned char b = (unsigned char)s[2];
    if (b < 0x20 || b > 0x7e) {
        set_key(out, 'O', OC_MOD_ALT);
        return 2;
    }
    if (b == 'M')
        set_key(out, OC_KEY_ENTER, 0);
    else if (b == 'I')
        set_key(out, OC_KEY_TAB, 0);
    else if (b >= 'j' && b <= 'y') // keypad: '*' is 'j', '0' is 'p'
        set_key(out, (uint32_t)(b - 0x40), 0);
    else
        set_key(out, letter_key((char)b), 0);
    return 3;
}

/* OSC or DCS: up to BEL or ESC \. Such strings are only ever replies. */
static size_t parse_string(const char *s, size_t n, oc_input *out)
{
    for (size_t i = 2; i < n; i++) {
        size_t end = s[i] == 0x07 ? i + 1 : 0;
        if (s[i] == ESC && i + 1 < n)
            end = s[i + 1] == '\\' ? i + 2 : i;
        else if (i >= STRING_MAX)
            end = i;
        if (end) {
            int32_t v = -1;
            size_t digits = 2;
            while (digits < end && s[digits] >= '0' && s[digits] <= '9')
                digits++;
            numbers(s + 2, digits - 2, &v, 1);
            out->kind = OC_IN_REPLY;
            out->reply = s[1];
            out->arg = v;
            return end;
        }
    }
    return 0;
}

static size_t parse_utf8(const char *s, size_t n, bool final, uint32_t *cp)
{
    unsigned char b = (unsigned char)s[0];
    size_t need = b < 0xc2 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 1;
    if (n < need && !final) {
        for (size_t i = 1; i < n; i++)
            if (((unsigned char)s[i] & 0xc0) != 0x80)
                need = 1;
        if (need > 1)
            return 0;
    }
    return (size_t)oc_utf8_decode(s, n, cp);
}

/*
 * One input at s[0..n), n >= 1. Bytes used; 0 when more are needed. final: no more will come, take
 * what is there for the keys it may be.
 */
static size_t parse(const char *s, size_t n, bool final, oc_input *out)
{
    size_t used = 0;
    uint32_t cp;
    if (s[0] != ESC) {
        unsigned char b = (unsigned char)s[0];
        if (b < 0x20 || b == 0x7f) {
            set_key(out, control_key(b), 0);
            return 1;
        }
        used = parse_utf8(s, n, final, &cp);
        if (used)
            set_key(out, cp, 0);
        return used;
    }
    if (n == 1 || s[1] == ESC) { // ESC ESC: the first one stands alone
        set_key(out, OC_KEY_ESC, 0);
        return n == 1 && !final ? 0 : 1;
    }
    if (s[1] == '[')
        used = parse_csi(s, n, out);
    else if (s[1] == 'O')
        used = parse_ss3(s, n, out);
    else if (s[1] == ']' || s[1] == 'P')
        used = parse_string(s, n, out);
    if (used || (strchr("[O]P", s[1]) && s[1] && !final))
        return used;
    if (n > 2 && strchr("[]P", s[1]) && s[1]) { // a beginning that never ended
        set_key(out, OC_KEY_NONE, 0);
        return n;
    }
    used = parse(s + 1, n - 1, final, out);
    if (used)
        out->mods |= OC_MOD_ALT;
    return used ? used + 1 : 0;
}

/* Move pasted text over; true when the paste is complete. */
static bool take_paste(oc_keys *k, bool silent, oc_input *out)
{
    const char *s = oc_buf_cstr(&k->in) + k->at;
    size_t n = k->in.len - k->at, text = 0;
    bool ended = false;
    while (text < n) {
        const char *e = memchr(s + text, ESC, n - text);
        text = e ? (size_t)(e - s) : n;
        size_t have = OC_MIN(n - text, (size_t)PASTE_END_LEN);
        if (!e || memcmp(e, PASTE_END, have) == 0) {
            ended = e && have == PASTE_END_LEN;
            break;
        }
        text++;
    }
    size_t room = OC_KEYS_PASTE_MAX - k->paste.len;
    k->paste_cut = k->paste_cut || text > room;
    oc_buf_add(&k->paste, s, OC_MIN(text, room));
    k->at += text + (ended ? PASTE_END_LEN : 0);
    if (!ended && !silent)
        return false;
    if (!ended)
        k->at = k->in.len; // the end was lost: a beginning of it is no text
    k->pasting = false;
    *out = (oc_input){.kind = OC_IN_PASTE,
                      .key = OC_KEY_NONE,
                      .cut = k->paste_cut,
                      .bytes = oc_buf_cstr(&k->paste),
                      .n_bytes = k->paste.failed ? 0 : k->paste.len};
    return true;
}

static int64_t hold_ns(const oc_keys *k)
{
    if (k->pasting)
        return OC_KEYS_PASTE_NS;
    return k->in.len - k->at == 1 && k->in.data[k->at] == ESC ? OC_KEYS_ESC_NS : OC_KEYS_PART_NS;
}

bool oc_keys_next(oc_keys *k, int64_t now_ns, oc_input *out)
{
    for (;;) {
        size_t n = k->in.len - k->at;
        if (n == 0 && !k->pasting)
            return false;
        bool silent = now_ns - k->fed_ns >= hold_ns(k);
        if (k->pasting)
            return take_paste(k, silent, out);
        const char *s = k->in.data + k->at;
        oc_input in = {.key = OC_KEY_NONE, .bytes = s};
        in.n_bytes = parse(s, n, silent, &in);
        if (in.n_bytes == 0)
            return false;
        k->at += in.n_bytes;
        if (in.n_bytes == 6 && memcmp(s, "\033[200~", 6) == 0) {
            k->pasting = true;
            k->paste_cut = false;
            oc_buf_clear(&k->paste);
            k->paste.failed = false;
            continue;
        }
        *out = in;
        return true;
    }
}

int64_t oc_keys_wait_ns(const oc_keys *k, int64_t now_ns)
{
    if (k->in.len == k->at && !k->pasting)
        return -1;
    int64_t left = k->fed_ns + hold_ns(k) - now_ns;
    return left > 0 ? left : 0;
}
