/*
 * tui/pager.h - a long answer over the screen: scrolled with the arrows, closed with Esc.
 */
#ifndef OC_TUI_PAGER_H
#define OC_TUI_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "views/canvas.h"
#include "views/view.h"

typedef struct oc_pager {
    bool open;
    char title[64];
    oc_buf text;         /* owned */
    int32_t top;         /* first row shown, of the wrapped text */
    int32_t page, total; /* rows shown and rows there are, of the last draw */
    bool at_end;         /* show the end once it is known how long it is */
} oc_pager;

void oc_pager_release(oc_pager *p); /* zero-initialized before first use */
void oc_pager_show(oc_pager *p, const char *title, const char *text, bool at_end);
/* Every key is the pager's while it is open. */
void oc_pager_key(oc_pager *p, uint32_t key);
bool oc_pager_fits(const oc_pager *p); /* all of it was shown by the last draw */
/* At the bottom of the area, no higher than the text is long. */
void oc_pager_draw(oc_pager *p, oc_canvas *c, oc_rect area);

#endif
