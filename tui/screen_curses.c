#include "tui/screen_curses.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include <curses.h>
#include <term.h>

#include "core/base/alloc.h"

#define SYNC_ON  "\033[?2026h"
#define SYNC_OFF "\033[?2026l"
#define N_COLORS 257 /* 0..255 and the terminal's own, -1 */

struct oc_term {
    oc_tty *tty; /* borrowed */
    SCREEN *screen;
    FILE *out, *in;
    int mem; /* what curses writes into; owned by out */
    oc_colors colors;
    bool utf8, whole;
    int pairs_max, pairs_used;
    int16_t *pair;         /* [N_COLORS * N_COLORS] 0: none yet */
    const oc_theme *theme; /* of the last frame */
    oc_cell *shown;        /* [rows * cols] of the last frame */
    int32_t cols, rows;
    int32_t cursor; /* curs_set of the last frame; -1 unknown */
    oc_buf frame;
};

bool oc_term_known(const char *name, oc_err *why)
{
    int rc = 0;
    TERMINAL *before = cur_term;
    if (setupterm(name, STDOUT_FILENO, &rc) != OK) {
        (void)OC_FAIL(why, OC_UNSUPPORTED, "no screen: terminal type '%s' is not known here", name);
        return false;
    }
    bool moves = tigetstr("cup") != NULL && tigetstr("cup") != (char *)-1;
    TERMINAL *mine = set_curterm(before);
    if (mine && mine != before)
        del_curterm(mine);
    if (!moves)
        (void)OC_FAIL(why, OC_UNSUPPORTED, "no screen: terminal '%s' cannot move its cursor", name);
    return moves;
}

oc_glyphs oc_term_glyphs(const char *wish)
{
    if (wish && strcmp(wish, "braille") == 0)
        return OC_GLYPHS_BRAILLE;
    if (wish && strcmp(wish, "block") == 0)
        return OC_GLYPHS_BLOCK;
    const char *term = getenv("TERM");
    if ((wish && strcmp(wish, "ascii") == 0) || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        return OC_GLYPHS_ASCII;
    bool console = term && strcmp(term, "linux") == 0; // its fonts have no braille
    return wcwidth(0x2800) == 1 && !console ? OC_GLYPHS_BRAILLE : OC_GLYPHS_BLOCK;
}

oc_colors oc_term_colors(const oc_term *t)
{
    return t->colors;
}

/* Open TERM, or its 256-colour brother when that was asked for by name. */
static SCREEN *open_screen(oc_term *t, const char *color)
{
    const char *name = getenv("TERM");
    char wide[128];
    oc_err ignored = {0};
    bool forced = color && strcmp(color, "256") == 0 && name && !strstr(name, "256color");
    snprintf(wide, sizeof wide, "%s-256color", name ? name : "");
    if (forced && oc_term_known(wide, &ignored))
        return newterm(wide, t->out, t->in);
    return newterm(NULL, t->out, t->in);
}

static oc_colors pick_colors(const char *color)
{
    const char *no = getenv("NO_COLOR");
    bool never = color && strcmp(color, "never") == 0;
    bool automatic = !color || strcmp(color, "auto") == 0;
    if (never || (automatic && no && *no) || !has_colors())
        return OC_COLORS_NONE;
    if (start_color() != OK)
        return OC_COLORS_NONE;
    use_default_colors();
    if (COLORS >= 256 && (automatic || strcmp(color, "256") == 0))
        return OC_COLORS_256;
    return COLORS >= 8 ? OC_COLORS_16 : OC_COLORS_NONE;
}

/* Forget what curses has written so far. */
static void discard(oc_term *t)
{
    if (ftruncate(t->mem, 0) == 0)
        lseek(t->mem, 0, SEEK_SET);
}

static oc_status open_files(oc_term *t, oc_err *err)
{
    t->mem = oc_tty_scratch("frame");
    t->out = t->mem >= 0 ? fdopen(t->mem, "w+") : NULL;
    t->in = fopen("/dev/null", "r"); // curses never reads
    if (t->out && t->in)
        return OC_OK;
    if (t->mem >= 0 && !t->out)
        close(t->mem);
    return OC_FAIL_SYS(err, OC_IO, "cannot make the frame buffer: %s", strerror(errno));
}

oc_status oc_term_open(oc_tty *tty, const char *color, oc_term **out, oc_err *err)
{
    oc_term *t = oc_calloc(1, sizeof *t);
    if (!t)
        return OC_FAIL(err, OC_NOMEM, "out of memory while opening the screen");
    t->tty = tty;
    t->cursor = -1;
    t->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    t->pair = oc_calloc((size_t)N_COLORS * N_COLORS, sizeof *t->pair);
    oc_status st = OC_OK;
    if (!t->pair) {
        st = OC_FAIL(err, OC_NOMEM, "out of memory while opening the screen");
        goto out;
    }
    OC_TRY_GOTO(out, st, open_files(t, err));
    unsetenv("LINES"); // curses would believe these instead of the terminal
    unsetenv("COLUMNS");
    t->screen = open_screen(t, color);
    if (!t->screen) {
        const char *name = getenv("TERM");
        st = OC_FAIL(err, OC_UNSUPPORTED, "terminal type '%s' is not known here", name ? name : "");
        goto out;
    }
    t->colors = pick_colors(color);
    t->pairs_max = t->colors == OC_COLORS_NONE ? 0 : OC_MIN(COLOR_PAIRS, INT16_MAX);
    t->pairs_used = 1;
    typeahead(-1);
    scrollok(stdscr, FALSE);
    // A fresh curses screen flushes at every cursor movement; one that was left and comes back
    // does not. So leave it once; what that wrote is for nobody.
    refresh();
    endwin();
    discard(t);
    int32_t cols, rows;
    oc_tty_size(tty, &cols, &rows);
    oc_term_resize(t, cols, rows);
    *out = t;
    t = NULL;
out:
    oc_term_close(t);
    return st;
}

void oc_term_close(oc_term *t)
{
    if (!t)
        return;
    if (t->screen)
        delscreen(t->screen);
    if (t->out)
        fclose(t->out);
    if (t->in)
        fclose(t->in);
    oc_free(t->pair);
    oc_free(t->shown);
    oc_buf_release(&t->frame);
    oc_free(t);
}

void oc_term_resize(oc_term *t, int32_t cols, int32_t rows)
{
    resizeterm((int)rows, (int)cols);
    oc_free(t->shown);
    t->shown = NULL;
    t->cols = cols;
    t->rows = rows;
    t->whole = true;
}

void oc_term_repaint(oc_term *t)
{
    t->whole = true;
}

/* Pair of two colours, made on demand; without room the foreground alone, then the default. */
static int pair_of(oc_term *t, int fg, int bg)
{
    if (t->pairs_max == 0 || (fg < 0 && bg < 0))
        return 0;
    int16_t *slot = &t->pair[(fg + 1) * N_COLORS + bg + 1];
    int known = *slot;
    if (known)
        return known;
    if (t->pairs_used >= t->pairs_max)
        return bg >= 0 ? pair_of(t, fg, -1) : 0;
    if (init_pair((short)t->pairs_used, (short)fg, (short)bg) != OK)
        return 0;
    *slot = (int16_t)t->pairs_used++;
    return *slot;
}

/* Attributes and pair of a look. Eight-colour terminals get their bright ones by boldness. */
static attr_t attributes(oc_term *t, oc_look k, int *pair)
{
    attr_t a = A_NORMAL;
    int fg = k.fg, bg = k.bg;
    if (t->colors != OC_COLORS_NONE && fg >= COLORS) {
        k.bold = k.bold || fg < 16;
        fg = fg < 16 ? fg & 7 : -1;
    }
    if (t->colors != OC_COLORS_NONE && bg >= COLORS)
        bg = bg < 16 ? bg & 7 : -1;
    if (k.bold)
        a |= A_BOLD;
    if (k.dim)
        a |= A_DIM;
    if (k.reverse)
        a |= A_REVERSE;
    if (k.underline)
        a |= A_UNDERLINE;
    *pair = pair_of(t, fg, bg);
    return a;
}

/* What this terminal can show in place of a code point that canvas gave `width` columns. */
static wchar_t shown_glyph(const oc_term *t, uint32_t g, int width)
{
    if (g < 0x20 || g == 0x7f)
        return L' ';
    if (g < 0x7f)
        return (wchar_t)g;
    return t->utf8 && wcwidth((wchar_t)g) == width ? (wchar_t)g : L'?';
}

static void put_cell(oc_term *t, const oc_theme *theme, int32_t x, int32_t y, const oc_cell *cell,
                     bool wide)
{
    int pair;
    attr_t a = attributes(t, oc_theme_look(theme, t->colors, cell), &pair);
    wchar_t text[2] = {shown_glyph(t, cell->glyph, wide ? 2 : 1), 0};
    cchar_t cc;
    if (setcchar(&cc, text, a, (short)pair, NULL) != OK)
        return;
    mvadd_wch((int)y, (int)x, &cc); // ERR after the very last cell is no error: it was written
    if (wide && text[0] == L'?')
        mvaddch((int)y, (int)x + 1, ' ');
}

static void put_cells(oc_term *t, const oc_canvas *c, const oc_theme *theme)
{
    for (int32_t y = 0; y < t->rows && y < c->rows; y++) {
        const oc_cell *row = c->cell + (int64_t)y * c->cols;
        oc_cell *old = t->shown ? t->shown + (int64_t)y * t->cols : NULL;
        for (int32_t x = 0; x < t->cols && x < c->cols; x++) {
            bool same = old && !t->whole && memcmp(&row[x], &old[x], sizeof row[x]) == 0;
            if (old)
                old[x] = row[x];
            if (same || row[x].glyph == 0)
                continue;
            bool wide = x + 1 < t->cols && x + 1 < c->cols && row[x + 1].glyph == 0;
            put_cell(t, theme, x, y, &row[x], wide);
        }
    }
}

/* Move what curses wrote into frame, between its synchronization marks. */
static oc_status collect(oc_term *t, const char *tail, oc_err *err)
{
    oc_buf_clear(&t->frame);
    off_t n = lseek(t->mem, 0, SEEK_CUR);
    if (n <= 0)
        return OC_OK;
    oc_buf_str(&t->frame, SYNC_ON);
    char block[4096];
    for (off_t at = 0; at < n;) {
        ssize_t got = pread(t->mem, block, sizeof block, at);
        if (got <= 0)
            break;
        oc_buf_add(&t->frame, block, (size_t)got);
        at += got;
    }
    oc_buf_str(&t->frame, SYNC_OFF);
    if (tail)
        oc_buf_str(&t->frame, tail);
    discard(t);
    return oc_buf_check(&t->frame, err);
}

oc_status oc_term_frame(oc_term *t, const oc_canvas *c, const oc_theme *theme, int32_t cursor_x,
                        int32_t cursor_y, const char *tail, size_t *sent, oc_err *err)
{
    *sent = 0;
    if (!t->shown) {
        t->shown = oc_calloc((size_t)t->cols * (size_t)t->rows, sizeof *t->shown);
        t->whole = true; // without memory for it every frame compares nothing, and works
    }
    if (theme != t->theme) {
        t->whole = true;
        t->theme = theme;
        if (t->pairs_max && t->pairs_used > t->pairs_max / 2) { // colours of old themes go
            reset_color_pairs();
            memset(t->pair, 0, (size_t)N_COLORS * N_COLORS * sizeof *t->pair);
            t->pairs_used = 1;
        }
    }
    if (t->whole) {
        erase();
        clearok(stdscr, TRUE);
    }
    put_cells(t, c, theme);
    t->whole = false;
    bool visible = cursor_x >= 0 && cursor_x < t->cols && cursor_y >= 0 && cursor_y < t->rows;
    if (t->cursor != (int32_t)visible)
        curs_set(visible ? 1 : 0);
    t->cursor = visible;
    if (visible)
        move((int)cursor_y, (int)cursor_x);
    else
        move(0, 0);
    refresh();
    OC_TRY(collect(t, tail, err));
    *sent = t->frame.len;
    return t->frame.len ? oc_tty_write(t->tty, t->frame.data, t->frame.len, err) : OC_OK;
}

void oc_term_suspend(oc_term *t)
{
    if (isendwin())
        return;
    endwin();
    t->whole = true;
    t->cursor = -1;
    if (collect(t, NULL, NULL) == OC_OK && t->frame.len)
        (void)!oc_tty_write(t->tty, t->frame.data, t->frame.len, NULL);
}
