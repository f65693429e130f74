/*
 * views/view.h - a view draws state on a canvas and turns keys into commands.
 *
 *   draw(state, ui, rect, canvas)     pure: same arguments, same cells
 *   handle(ui, state, key, command)   changes only the view's own ui, or writes a command line
 */
#ifndef OC_VIEWS_VIEW_H
#define OC_VIEWS_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "sessions/state.h"
#include "views/canvas.h"

/* Keys as the views see them: a code point, or one of these. */
typedef enum {
    OC_KEY_UP = 0x110000,
    OC_KEY_DOWN,
    OC_KEY_LEFT,
    OC_KEY_RIGHT,
    OC_KEY_PGUP,
    OC_KEY_PGDN,
    OC_KEY_HOME,
    OC_KEY_END,
    OC_KEY_ENTER,
    OC_KEY_ESC,
    OC_KEY_TAB,
    OC_KEY_BACKTAB,
    OC_KEY_BACKSPACE,
    OC_KEY_DELETE,
    OC_KEY_INSERT,
    OC_KEY_F1,
    OC_KEY_F2,
    OC_KEY_F3,
    OC_KEY_F4,
    OC_KEY_F5,
    OC_KEY_F6,
    OC_KEY_F7,
    OC_KEY_F8,
    OC_KEY_F9,
    OC_KEY_F10,
    OC_KEY_F11,
    OC_KEY_F12,
    OC_KEY_CTRL_C,
    OC_KEY_CTRL_L,
    OC_KEY_CTRL_Z,
    OC_KEY_NONE
} oc_key;

typedef enum { OC_X_STEP, OC_X_TOKENS, OC_X_WALL, OC_N_XAXES } oc_xaxis;

/* What a person chose to see; one per view, kept across views, never in the state. */
typedef struct oc_view_ui {
    bool focused;
    int32_t scroll, cursor; /* rows or items */
    int32_t cursor_x;       /* columns (heatmap) */
    /* charts */
    double smooth;           /* 0 .6 .9 .97 */
    int32_t smooth_kind;     /* oc_smooth: time-weighted mean, plain exponential mean, median */
    bool log_y, log_x, clip; /* clip: y range p1..p99 */
    oc_xaxis xaxis;
    double x0, x1; /* zoom; x0 >= x1: everything */
    bool inspect;
    double inspect_x;   /* step under the inspect cursor */
    int32_t curves;     /* which set of curves: 0 losses, 1 auroc, 2 lr/norms, 3 throughput */
    int32_t metric;     /* view-specific choice (latency|size, matrix|head, ...) */
    char model[32];     /* chosen candidate; "" = newest */
    char run[32];       /* chosen run; "" = newest */
    char pinned[8][32]; /* runs drawn with it */
    int32_t n_pinned;
    char baseline[32];
    char filter[64];            /* log, settings, help */
    bool filtering;             /* typing into filter */
    const oc_state *compare[3]; /* other sessions (compare A B): borrowed */
    char compare_name[3][64];
    int32_t n_compare;
    int32_t tz_s; /* seconds east of UTC, for times of day; 0: UTC */
} oc_view_ui;
void oc_view_ui_init(oc_view_ui *ui);

typedef struct oc_view {
    const char
        *name; /* "run" "loss" "sparsity" "quant" "latency" "tradeoff" "log" "settings" "help" */
    const char *title;
    char key;         /* '1'..'9' */
    const char *keys; /* footer: "s smooth  y log  i inspect" */
    void (*draw)(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c);
    /* True when the key was used. A command line to run is appended to `command`. */
    bool (*handle)(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command);
    /* The numbers behind the picture, one JSON object. */
    void (*json)(const oc_state *s, const oc_view_ui *ui, oc_buf *out);
} oc_view;
int oc_view_count(void);
const oc_view *oc_view_at(int i);
const oc_view *oc_view_find(const char *name); /* NULL when unknown; unique prefixes count */
int oc_view_index(const char *name);           /* -1 when unknown */
/* One view as a picture of its own: a box with its title and the session's name around it. */
void oc_view_show(const oc_view *v, const oc_state *s, const oc_view_ui *ui, oc_canvas *c);

/*
 * The workbench's picture: header line, tiles or one view, log strip, footer. What it shows beside
 * the state is in oc_screen_ui. The REPL's lines at the bottom are drawn by the caller into
 * oc_layout_result.repl. Below 40x10: numbers only and "need 40x10, have CxR".
 */
#define OC_N_VIEWS_MAX 12
typedef struct oc_screen_ui {
    int32_t view; /* index of the focused view */
    bool zoomed;  /* one view fills the screen (always so below 100 columns) */
    bool frozen;  /* Z */
    bool repl_focused;
    bool help; /* help overlay */
    oc_view_ui ui[OC_N_VIEWS_MAX];
    double split;         /* share of the width of the left column, 0.2..0.8 */
    const char *message;  /* one line above the footer; borrowed; "" none */
    const char *question; /* a yes/no question in its place; "" none */
    const char *replay;   /* replay status "REPLAY 120/3402 x4 paused"; "" when live */
    int64_t now_ms;       /* for ages and eta; given, never asked */
    int32_t repl_lines;   /* rows the REPL wants, scrollback included (1..8) */
} oc_screen_ui;
typedef struct oc_screen_layout {
    oc_rect header, body, message, repl, footer;
    oc_rect tile[OC_N_VIEWS_MAX]; /* w = 0 when not shown */
} oc_screen_layout;
void oc_screen_ui_init(oc_screen_ui *ui);
/* Pure: no rect lies outside cols x rows, none overlap, for every size from 1x1. */
void oc_screen_arrange(const oc_screen_ui *ui, int32_t cols, int32_t rows, oc_screen_layout *out);
void oc_screen_draw(const oc_state *s, const oc_screen_ui *ui, oc_canvas *c, oc_screen_layout *out);

#endif
