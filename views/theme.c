/*
 * Themes: what a style looks like. Text keeps the terminal's own colours; accents come from the 16
 * ANSI names or the 256 palette, ramps from the 256 palette only. Nothing is told by colour alone:
 * the styles also differ in weight, and views add letters, signs and numbers.
 */
#include <string.h>

#include "core/base/attr.h"
#include "views/canvas.h"

/* clang-format off */
#define FG(n)   {.fg = (n), .bg = -1}
#define FGB(n)  {.fg = (n), .bg = -1, .bold = true}
#define PLAIN   {.fg = -1, .bg = -1}
#define BOLD    {.fg = -1, .bg = -1, .bold = true}
#define DIM     {.fg = -1, .bg = -1, .dim = true}
#define REV     {.fg = -1, .bg = -1, .reverse = true}
#define REVB    {.fg = -1, .bg = -1, .bold = true, .reverse = true}
#define UND     {.fg = -1, .bg = -1, .underline = true}
#define UNDB    {.fg = -1, .bg = -1, .bold = true, .underline = true}

/* Lightness rises with every step (CIE L* in the test), so heat reads right without colour vision. */
#define VIRIDIS {17, 53, 54, 25, 61, 31, 67, 245, 37, 108, 42, 113, 149, 155, 191, 226}
#define CIVIDIS {232, 17, 24, 60, 242, 243, 244, 102, 246, 247, 108, 143, 179, 185, 221, 227}
#define GREYS   {233, 234, 236, 237, 239, 240, 242, 243, 245, 246, 248, 249, 251, 252, 254, 255}

#define NO_COLOR_LOOKS { \
    [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = DIM, [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD, \
    [OC_STYLE_BORDER] = DIM, [OC_STYLE_FOCUS] = BOLD, [OC_STYLE_KEY] = BOLD, [OC_STYLE_GOOD] = BOLD, \
    [OC_STYLE_BAD] = UNDB, [OC_STYLE_WARN] = UND, [OC_STYLE_MARK] = UND, [OC_STYLE_CURSOR] = REVB, \
    [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD, \
    [OC_STYLE_S0] = BOLD, [OC_STYLE_S1] = PLAIN, [OC_STYLE_S2] = PLAIN, [OC_STYLE_S3] = BOLD, \
    [OC_STYLE_S4] = PLAIN, [OC_STYLE_S5] = PLAIN, [OC_STYLE_S6] = BOLD }

/* Series in 256 colours: Okabe and Ito's set, told apart by every common form of colour vision. */
#define OKABE_ITO \
    [OC_STYLE_S0] = FG(214), [OC_STYLE_S1] = FG(74), [OC_STYLE_S2] = FG(36), [OC_STYLE_S3] = FG(227), \
    [OC_STYLE_S4] = FG(32), [OC_STYLE_S5] = FG(166), [OC_STYLE_S6] = FG(175)

static const oc_theme themes[] = {
    {
        .name = "default",
        .help = "accents on the terminal's own colours",
        .look16 = {
            [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = DIM, [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD,
            [OC_STYLE_BORDER] = DIM, [OC_STYLE_FOCUS] = FGB(3), [OC_STYLE_KEY] = FGB(6), [OC_STYLE_GOOD] = FGB(12),
            [OC_STYLE_BAD] = FGB(1), [OC_STYLE_WARN] = FG(3), [OC_STYLE_MARK] = FG(5), [OC_STYLE_CURSOR] = REVB,
            [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD,
            [OC_STYLE_S0] = FG(3), [OC_STYLE_S1] = FG(6), [OC_STYLE_S2] = FG(2), [OC_STYLE_S3] = FG(11),
            [OC_STYLE_S4] = FG(12), [OC_STYLE_S5] = FG(1), [OC_STYLE_S6] = FG(5),
        },
        .look256 = {
            [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = FG(245), [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD,
            [OC_STYLE_BORDER] = FG(241), [OC_STYLE_FOCUS] = FGB(214), [OC_STYLE_KEY] = FGB(74), [OC_STYLE_GOOD] = FGB(75),
            [OC_STYLE_BAD] = FGB(208), [OC_STYLE_WARN] = FG(220), [OC_STYLE_MARK] = FG(176), [OC_STYLE_CURSOR] = REVB,
            [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD, OKABE_ITO,
        },
        .ramp = VIRIDIS,
    },
    {
        .name = "light",
        .help = "darker accents for a white background",
        .look16 = {
            [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = DIM, [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD,
            [OC_STYLE_BORDER] = DIM, [OC_STYLE_FOCUS] = FGB(5), [OC_STYLE_KEY] = FGB(4), [OC_STYLE_GOOD] = FGB(4),
            [OC_STYLE_BAD] = FGB(1), [OC_STYLE_WARN] = FG(5), [OC_STYLE_MARK] = FG(5), [OC_STYLE_CURSOR] = REVB,
            [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD,
            [OC_STYLE_S0] = FG(1), [OC_STYLE_S1] = FG(4), [OC_STYLE_S2] = FG(2), [OC_STYLE_S3] = FG(5),
            [OC_STYLE_S4] = FG(6), [OC_STYLE_S5] = FGB(1), [OC_STYLE_S6] = FGB(4),
        },
        .look256 = {
            [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = FG(243), [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD,
            [OC_STYLE_BORDER] = FG(247), [OC_STYLE_FOCUS] = FGB(130), [OC_STYLE_KEY] = FGB(25), [OC_STYLE_GOOD] = FGB(26),
            [OC_STYLE_BAD] = FGB(160), [OC_STYLE_WARN] = FG(130), [OC_STYLE_MARK] = FG(127), [OC_STYLE_CURSOR] = REVB,
            [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD,
            [OC_STYLE_S0] = FG(166), [OC_STYLE_S1] = FG(25), [OC_STYLE_S2] = FG(29), [OC_STYLE_S3] = FG(94),
            [OC_STYLE_S4] = FG(31), [OC_STYLE_S5] = FG(124), [OC_STYLE_S6] = FG(132),
        },
        .ramp = VIRIDIS,
    },
    {
        .name = "mono",
        .help = "bold, dim, reverse and underline only; grey ramps",
        .look16 = NO_COLOR_LOOKS,
        .look256 = NO_COLOR_LOOKS,
        .ramp = GREYS,
    },
    {
        .name = "colorblind",
        .help = "blue and orange accents, cividis ramps",
        .look16 = {
            [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = DIM, [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD,
            [OC_STYLE_BORDER] = DIM, [OC_STYLE_FOCUS] = FGB(3), [OC_STYLE_KEY] = FGB(6), [OC_STYLE_GOOD] = FGB(12),
            [OC_STYLE_BAD] = {.fg = 3, .bg = -1, .bold = true, .underline = true}, [OC_STYLE_WARN] = FG(3),
            [OC_STYLE_MARK] = {.fg = 6, .bg = -1, .underline = true}, [OC_STYLE_CURSOR] = REVB,
            [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD,
            [OC_STYLE_S0] = FG(3), [OC_STYLE_S1] = FG(12), [OC_STYLE_S2] = FGB(7), [OC_STYLE_S3] = FG(11),
            [OC_STYLE_S4] = FG(6), [OC_STYLE_S5] = FGB(3), [OC_STYLE_S6] = FGB(12),
        },
        .look256 = {
            [OC_STYLE_TEXT] = PLAIN, [OC_STYLE_DIM] = FG(246), [OC_STYLE_BOLD] = BOLD, [OC_STYLE_TITLE] = BOLD,
            [OC_STYLE_BORDER] = FG(243), [OC_STYLE_FOCUS] = FGB(214), [OC_STYLE_KEY] = FGB(74), [OC_STYLE_GOOD] = FGB(74),
            [OC_STYLE_BAD] = {.fg = 214, .bg = -1, .bold = true, .underline = true}, [OC_STYLE_WARN] = FG(227),
            [OC_STYLE_MARK] = {.fg = 175, .bg = -1, .underline = true}, [OC_STYLE_CURSOR] = REVB,
            [OC_STYLE_SELECT] = REV, [OC_STYLE_STATUS] = BOLD, OKABE_ITO,
        },
        .ramp = CIVIDIS,
    },
};
static const oc_look no_color[OC_N_STYLES] = NO_COLOR_LOOKS;
/* clang-format on */

int oc_theme_count(void)
{
    return OC_COUNT(themes);
}

const oc_theme *oc_theme_at(int i)
{
    return i >= 0 && i < OC_COUNT(themes) ? &themes[i] : NULL;
}

const oc_theme *oc_theme_find(const char *name)
{
    for (int i = 0; i < OC_COUNT(themes); i++)
        if (strcmp(themes[i].name, name) == 0)
            return &themes[i];
    return NULL;
}

void oc_color_rgb(int index, uint8_t rgb[3])
{
    static const uint8_t ansi[16][3] = {
        {0x1c, 0x1f, 0x24}, {0xd1, 0x5b, 0x4e}, {0x5f, 0xa8, 0x5d}, {0xd0, 0xa0, 0x3c},
        {0x4f, 0x83, 0xc4}, {0xb0, 0x6f, 0xb8}, {0x4a, 0xa5, 0xa8}, {0xd0, 0xd3, 0xd8},
        {0x6b, 0x72, 0x7c}, {0xf0, 0x7a, 0x6a}, {0x86, 0xcf, 0x80}, {0xf2, 0xcb, 0x66},
        {0x7a, 0xb0, 0xf2}, {0xd8, 0x96, 0xe0}, {0x72, 0xd0, 0xd4}, {0xff, 0xff, 0xff}};
    static const uint8_t level[6] = {0, 95, 135, 175, 215, 255};
    if (index < 0 || index > 255)
        index = 7;
    if (index < 16) {
        memcpy(rgb, ansi[index], 3);
    } else if (index < 232) {
        int cube = index - 16;
        rgb[0] = level[cube / 36];
        rgb[1] = level[cube / 6 % 6];
        rgb[2] = level[cube % 6];
    } else {
        rgb[0] = rgb[1] = rgb[2] = (uint8_t)(8 + 10 * (index - 232));
    }
}

/* Black or white, whichever reads better on a colour (luma weights of BT.601). */
static int16_t ink_on(int index)
{
    uint8_t c[3];
    oc_color_rgb(index, c);
    return 299 * c[0] + 587 * c[1] + 114 * c[2] > 120 * 1000 ? 16 : 231;
}

oc_look oc_theme_look(const oc_theme *t, oc_colors k, const oc_cell *cell)
{
    if (!t)
        t = &themes[0];
    int st = cell->style < OC_N_STYLES ? cell->style : OC_STYLE_TEXT;
    if (k == OC_COLORS_NONE)
        return no_color[st];
    if (k == OC_COLORS_16)
        return t->look16[st];
    oc_look look = t->look256[st];
    if (cell->ramp_bg >= 0 && cell->ramp_bg < OC_RAMP_STEPS) {
        look.bg = t->ramp[cell->ramp_bg];
        look.fg = ink_on(look.bg);
        look.dim = look.reverse = false;
        if (st == OC_STYLE_CURSOR) { // the cursor must show on any heat: its colours change places
            look.bg = look.fg;
            look.fg = t->ramp[cell->ramp_bg];
        }
    }
    if (cell->ramp_fg >= 0 && cell->ramp_fg < OC_RAMP_STEPS)
        look.fg = t->ramp[cell->ramp_fg];
    return look;
}
