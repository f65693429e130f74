/* The table of views and what they share. */
#include "views/view.h"

#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"
#include "views/draw.h"
#include "views/views.h"

static const oc_view views[] = {
#define OC_X(id, title, digit, keys) \
    {#id, title, digit, keys, oc__##id##_draw, oc__##id##_handle, oc__##id##_json},
    OC_VIEW_LIST(OC_X)
#undef OC_X
};

int oc_view_count(void)
{
    return OC_COUNT(views);
}

const oc_view *oc_view_at(int i)
{
    return i >= 0 && i < OC_COUNT(views) ? &views[i] : NULL;
}

int oc_view_index(const char *name)
{
    int found = -1;
    for (int i = 0; i < OC_COUNT(views); i++) {
        if (strcmp(views[i].name, name) == 0)
            return i;
        if (name[0] && oc_str_starts(views[i].name, name)) {
            if (found >= 0)
                return -1; // not unique; an exact name would have returned by itself
            found = i;
        }
    }
    return found;
}

const oc_view *oc_view_find(const char *name)
{
    return oc_view_at(oc_view_index(name));
}

void oc_view_ui_init(oc_view_ui *ui)
{
    *ui = (oc_view_ui){.smooth = 0.9};
}

void oc_view_show(const oc_view *v, const oc_state *s, const oc_view_ui *ui, oc_canvas *c)
{
    char title[128];
    oc_rect r = {0, 0, c->cols, c->rows};
    snprintf(title, sizeof title, "%s%s%s", v->title, s->session.name[0] ? " · " : "",
             s->session.name);
    if (c->cols >= 30 && c->rows >= 8)
        r = oc_box(c, r, title, false);
    v->draw(s, ui, r, c);
}

bool oc__list_key(int32_t *cursor, int32_t n, int32_t page, uint32_t key)
{
    int32_t to = *cursor;
    if (key == OC_KEY_UP || key == 'k')
        to--;
    else if (key == OC_KEY_DOWN || key == 'j')
        to++;
    else if (key == OC_KEY_PGUP)
        to -= page;
    else if (key == OC_KEY_PGDN)
        to += page;
    else if (key == OC_KEY_HOME || key == 'g')
        to = 0;
    else if (key == OC_KEY_END || key == 'G')
        to = n - 1;
    else
        return false;
    *cursor = OC_MAX(OC_MIN(to, n - 1), 0);
    return true;
}

bool oc__filter_key(oc_view_ui *ui, uint32_t key)
{
    size_t n = strlen(ui->filter);
    if (!ui->filtering) {
        if (key == OC_KEY_ESC && n) {
            ui->filter[0] = 0;
            return true;
        }
        ui->filtering = key == '/';
        return ui->filtering;
    }
    if (key == OC_KEY_ENTER || key == OC_KEY_ESC) {
        ui->filtering = false;
        if (key == OC_KEY_ESC)
            ui->filter[0] = 0;
    } else if (key == OC_KEY_BACKSPACE) {
        while (n > 0 && ((unsigned char)ui->filter[n - 1] & 0xC0) == 0x80)
            n--;
        ui->filter[n > 0 ? n - 1 : 0] = 0;
        ui->filtering = n > 0;
    } else if (key >= 0x20 && key != 0x7F && key < OC_KEY_UP) {
        char utf8[4];
        int used = oc_utf8_encode(key, utf8);
        if (n + (size_t)used < sizeof ui->filter) {
            memcpy(ui->filter + n, utf8, (size_t)used);
            ui->filter[n + (size_t)used] = 0;
        }
    } else {
        return false;
    }
    ui->cursor = ui->scroll = 0;
    return true;
}

int32_t oc__filter_text(const oc_view_ui *ui, oc_canvas *c, oc_rect r, int32_t x, int32_t y)
{
    if (!ui->filtering && !ui->filter[0])
        return 0;
    return oc_textf(c, r, x, y, -1, ui->filtering ? OC_STYLE_FOCUS : OC_STYLE_WARN, "/%s%s",
                    ui->filter, ui->filtering ? "_" : "");
}
