/*
 * All settings by stage with value, default and help; changed ones marked. Enter starts a `set`
 * command for the one at the cursor.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/draw.h"
#include "views/views.h"

#define MAX_ITEMS 256

typedef struct items {
    const oc_setting *at[MAX_ITEMS];
    bool differs[MAX_ITEMS];
    int32_t n;
} items;

static void gather(const oc_state *s, const oc_view_ui *ui, items *list)
{
    oc_settings fresh; // defaults as values: a number may be written differently in the table
    oc_settings_init(&fresh);
    list->n = 0;
    for (int i = 0; i < oc_setting_count() && list->n < MAX_ITEMS; i++) {
        const oc_setting *d = oc_setting_at(i);
        char value[OC_TEXT_MAX], other[OC_TEXT_MAX], text[OC_TEXT_MAX + 256];
        oc_settings_get(&s->set, d, value);
        oc_settings_get(&fresh, d, other);
        bool differs = strcmp(value, other) != 0;
        snprintf(text, sizeof text, "%s %s %s %s", d->key, value, d->stage, d->help);
        if ((ui->metric % 2 && !differs) || !oc_filter_match(ui->filter, text))
            continue;
        list->differs[list->n] = differs;
        list->at[list->n++] = d;
    }
}

/* Where columns start. */
typedef struct cols {
    int32_t value, otherwise, help;
} cols;

static cols columns(int32_t w)
{
    if (w >= 110)
        return (cols){24, 50, 64};
    if (w >= 64)
        return (cols){22, 0, 42};
    return (cols){22, 0, 0};
}

static void row(const oc_state *s, const oc_setting *d, bool differs, bool cursor, const cols *k,
                oc_canvas *c, oc_rect r, int32_t y)
{
    char value[OC_TEXT_MAX];
    oc_settings_get(&s->set, d, value);
    oc_style st = cursor ? OC_STYLE_SELECT : differs ? OC_STYLE_BOLD : OC_STYLE_TEXT;
    if (cursor)
        for (int32_t x = 0; x < r.w; x++)
            oc_put(c, r, x, y, ' ', OC_STYLE_SELECT);
    oc_style side = cursor ? OC_STYLE_SELECT : OC_STYLE_DIM;
    if (differs)
        oc_put(c, r, 0, y, '*', cursor ? st : OC_STYLE_WARN);
    oc_text(c, r, 2, y, k->value - 3, st, d->key);
    int32_t end = k->otherwise ? k->otherwise : k->help ? k->help : r.w;
    oc_text(c, r, k->value, y, end - k->value - 1, st, value[0] ? value : "–");
    if (k->otherwise)
        oc_text(c, r, k->otherwise, y, k->help - k->otherwise - 1, side,
                d->otherwise[0] ? d->otherwise : "–");
    if (k->help)
        oc_text(c, r, k->help, y, -1, side, d->help);
}

/* "0..0.99", "max|percentile|mse", "on|off", "text". */
static void range_text(char out[96], const oc_setting *d)
{
    char lo[16], hi[16];
    switch (d->type) {
    case OC_SET_INT:
    case OC_SET_REAL:
        snprintf(lo, sizeof lo, "%g", d->lo);
        snprintf(hi, sizeof hi, "%g", d->hi);
        snprintf(out, 96, "%s to %s", lo, hi);
        break;
    case OC_SET_FLAG: snprintf(out, 96, "true or false"); break;
    case OC_SET_WORD: snprintf(out, 96, "%s", d->words); break;
    case OC_SET_TEXT: snprintf(out, 96, "text"); break;
    }
}

/* All about the setting at the cursor: a line, help, value, and what it may be. */
static void detail(const oc_state *s, const oc_setting *d, oc_canvas *c, oc_rect r)
{
    char value[OC_TEXT_MAX], range[96];
    oc_settings_get(&s->set, d, value);
    range_text(range, d);
    for (int32_t x = 0; x < r.w; x++)
        oc_put(c, r, x, 0, 0x2500, OC_STYLE_BORDER);
    oc_text(c, r, 0, 1, -1, OC_STYLE_BOLD, d->help);
    int32_t x = oc_text(c, r, 0, 2, -1, OC_STYLE_KEY, d->key);
    oc_textf(c, r, x + 1, 2, -1, OC_STYLE_TEXT, "= %s", value[0] ? value : "–");
    oc_textf(c, r, 0, 3, -1, OC_STYLE_DIM, "%s; default %s", range,
             d->otherwise[0] ? d->otherwise : "–");
}

static void heading(const oc_view_ui *ui, const items *list, oc_canvas *c, oc_rect r)
{
    int32_t x =
        oc_textf(c, r, 0, 0, -1, OC_STYLE_DIM, "%d setting%s%s  * changed", (int)list->n,
                 list->n == 1 ? "" : "s", ui->metric % 2 ? " that differ from their default" : "");
    oc__filter_text(ui, c, r, x + 2, 0);
}

void oc__settings_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c)
{
    items list;
    gather(s, ui, &list);
    if (r.h >= 5) {
        heading(ui, &list, c, (oc_rect){r.x, r.y, r.w, 1});
        r = (oc_rect){r.x, r.y + 1, r.w, r.h - 1};
    }
    if (list.n == 0) {
        oc_draw_empty(c, r, "no setting matches", "Esc empties the filter, m shows all");
        return;
    }
    int32_t cursor = OC_MAX(OC_MIN(ui->cursor, list.n - 1), 0), line = 0, at = 0, total = 0;
    if (r.h >= 9) {
        detail(s, list.at[cursor], c, (oc_rect){r.x, r.y + r.h - 4, r.w, 4});
        r.h -= 4;
    }
    cols k = columns(r.w);
    for (int32_t i = 0; i < list.n; i++) { // a heading line in front of every stage
        total += 1 + (i == 0 || strcmp(list.at[i]->stage, list.at[i - 1]->stage) != 0);
        at = i == cursor ? total - 1 : at;
    }
    int32_t first = oc_scroll_to(0, at == 1 ? 0 : at, total, r.h);
    if (at >= r.h / 2) // keep the cursor in the middle, where both sides can be seen
        first = OC_MIN(OC_MAX(at - r.h / 2, 0), OC_MAX(total - r.h, 0));
    for (int32_t i = 0; i < list.n; i++) {
        if (i == 0 || strcmp(list.at[i]->stage, list.at[i - 1]->stage) != 0) {
            if (line >= first)
                oc_text(c, r, 0, line - first, -1, OC_STYLE_TITLE, list.at[i]->stage);
            line++;
        }
        if (line >= first && line - first < r.h)
            row(s, list.at[i], list.differs[i], i == cursor, &k, c, r, line - first);
        line++;
    }
}

bool oc__settings_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command)
{
    items list;
    if (oc__filter_key(ui, key))
        return true;
    if (key == 'm') {
        ui->metric = ui->metric % 2 ? 0 : 1;
        ui->cursor = 0;
        return true;
    }
    gather(s, ui, &list);
    if (list.n == 0)
        return false;
    if (key == OC_KEY_ENTER) {
        oc_buf_fmt(command, "=set %s ", list.at[OC_MAX(OC_MIN(ui->cursor, list.n - 1), 0)]->key);
        return true;
    }
    return oc__list_key(&ui->cursor, list.n, 10, key);
}

void oc__settings_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out)
{
    items list;
    oc_jw w = oc_view_json(out);
    gather(s, ui, &list);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "view", "settings");
    oc_jw_key(&w, "settings");
    oc_jw_open(&w, '[');
    for (int32_t i = 0; i < list.n; i++) {
        const oc_setting *d = list.at[i];
        char value[OC_TEXT_MAX];
        oc_settings_get(&s->set, d, value);
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "key", d->key);
        oc_jw_kstr(&w, "value", value);
        oc_jw_kstr(&w, "default", d->otherwise);
        oc_jw_kbool(&w, "changed", list.differs[i]);
        oc_jw_kstr(&w, "stage", d->stage);
        oc_jw_kstr(&w, "help", d->help);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
}
