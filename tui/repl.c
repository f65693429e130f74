#include "tui/repl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "core/base/alloc.h"
#include "core/base/file.h"

#define PROMPT     "> "
#define PASTE_MAX  65536
#define POPUP_ROWS 8
#define IN_BETWEEN \
    (RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_NUMERICARG) /* Ctrl-G leaves these */

typedef struct said_line {
    oc_style style;
    char *text; /* owned */
} said_line;

struct oc_repl {
    oc_repl_complete_fn complete;
    void *ctx;
    char *history; /* owned path; NULL none */
    FILE *null_in, *null_out;
    oc_buf queue; /* bytes readline has not read */
    size_t queue_at;
    oc_strlist entered; /* lines not yet taken */
    bool eof;
    oc_strlist popup;             /* completions shown; empty: none */
    said_line said[OC_REPL_SAID]; /* ring, oldest at said_at */
    int n_said, said_at;
    int32_t scroll; /* first column of the line shown */
};

/* Readline's hooks carry no context: this is the one state of the file. */
static oc_repl *the_repl;

/* ---- readline's hooks -------------------------------------------------------------------- */

static int queue_getc(FILE *f)
{
    (void)f;
    oc_repl *r = the_repl;
    return r->queue_at < r->queue.len ? (unsigned char)r->queue.data[r->queue_at++] : EOF;
}

static int queue_available(void)
{
    return the_repl->queue_at < the_repl->queue.len;
}

/* The screen draws after every key anyway, and readline may call this from odd places. */
static void no_redisplay(void) {}

/* The handler runs with readline still on the stack: only note the line. */
static void on_line(char *line)
{
    oc_repl *r = the_repl;
    if (!line) {
        r->eof = true;
        return;
    }
    if (oc_strlist_add(&r->entered, line, strlen(line), NULL) != OC_OK)
        oc_repl_say(r, OC_STYLE_BAD, "out of memory: the line was dropped");
    free(line); // readline's own malloc
}

/* Bytes all candidates begin with, cut at a whole character. */
static size_t common_prefix(const oc_strlist *l)
{
    size_t n = strlen(l->item[0]);
    for (int64_t i = 1; i < l->n; i++) {
        size_t k = 0;
        while (k < n && l->item[i][k] == l->item[0][k])
            k++;
        n = k;
    }
    while (n > 0 && ((unsigned char)l->item[0][n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* Candidates come as they must be typed. A whole one is followed by a blank, a folder is not. */
static void insert_word(const char *s, size_t n, bool whole)
{
    oc_buf b = {0};
    oc_buf_add(&b, s, n);
    if (whole && n > 0 && s[n - 1] != '/' && rl_point == rl_end)
        oc_buf_ch(&b, ' ');
    if (!b.failed)
        rl_insert_text(oc_buf_cstr(&b));
    oc_buf_release(&b);
}

/*
 * Tab. Not readline's own completion: that one asks for word breaks of its own and prints single
 * matches to its terminal.
 */
static int on_tab(int count, int key)
{
    (void)count;
    (void)key;
    oc_repl *r = the_repl;
    oc_strlist found = {0};
    int64_t from = rl_point;
    oc_strlist_release(&r->popup);
    if (!r->complete ||
        r->complete(r->ctx, rl_line_buffer, rl_point, &found, &from, NULL) != OC_OK ||
        found.n == 0 || from < 0 || from > rl_point) {
        oc_strlist_release(&found);
        return 0;
    }
    size_t n = common_prefix(&found);
    if (found.n == 1 || n > (size_t)(rl_point - from)) {
        rl_begin_undo_group();
        rl_delete_text((int)from, rl_point);
        rl_point = (int)from;
        insert_word(found.item[0], n, found.n == 1);
        rl_end_undo_group();
    }
    if (found.n > 1) {
        r->popup = found;
        found = (oc_strlist){0};
    }
    oc_strlist_release(&found);
    return 0;
}

static void bind_keys(void)
{
    static const struct {
        const char *seq;
        rl_command_func_t *fn;
    } keys[] = {
        // What a terminal description would add; readline here has no terminal.
        {"\033[A", rl_get_previous_history},
        {"\033[B", rl_get_next_history},
        {"\033OA", rl_get_previous_history},
        {"\033OB", rl_get_next_history},
        {"\033[C", rl_forward_char},
        {"\033[D", rl_backward_char},
        {"\033OC", rl_forward_char},
        {"\033OD", rl_backward_char},
        {"\033[H", rl_beg_of_line},
        {"\033[F", rl_end_of_line},
        {"\033OH", rl_beg_of_line},
        {"\033OF", rl_end_of_line},
        {"\033[1~", rl_beg_of_line},
        {"\033[4~", rl_end_of_line},
        {"\033[7~", rl_beg_of_line},
        {"\033[8~", rl_end_of_line},
        {"\033[3~", rl_delete},
        {"\033[1;5C", rl_forward_word},
        {"\033[1;5D", rl_backward_word},
        {"\033[1;3C", rl_forward_word},
        {"\033[1;3D", rl_backward_word},
        {"\033[3;5~", rl_kill_word},
    };
    for (int i = 0; i < OC_COUNT(keys); i++)
        rl_bind_keyseq_if_unbound(keys[i].seq, keys[i].fn);
    rl_bind_key_in_map('\t', on_tab, emacs_standard_keymap);
    rl_bind_key_in_map('\t', on_tab, vi_insertion_keymap);
}

static void start_readline(oc_repl *r)
{
    rl_instream = r->null_in;
    rl_outstream = r->null_out;
    rl_getc_function = queue_getc;
    rl_input_available_hook = queue_available;
    rl_redisplay_function = no_redisplay;
    rl_prep_term_function = NULL;
    rl_deprep_term_function = NULL;
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_readline_name = "optimclm";
    rl_terminal_name = "dumb";
    rl_callback_handler_install(PROMPT, on_line);
    rl_variable_bind("bell-style", "none");
    rl_variable_bind("enable-bracketed-paste", "off");
    rl_variable_bind("history-preserve-point", "off");
    rl_variable_bind("input-meta", "on"); // bytes above 127 are text in every locale
    rl_variable_bind("output-meta", "on");
    rl_variable_bind("convert-meta", "off");
    bind_keys();
}

/* ---- history ----------------------------------------------------------------------------- */

oc_status oc_repl_history_path(char out[4096], oc_err *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char dir[OC_PATH_MAX];
    bool xdg = state && state[0] == '/';
    if (!xdg && (!home || !*home))
        return OC_FAIL(err, OC_IO, "no place for the command history: HOME is not set");
    OC_TRY(oc_path_join(dir, xdg ? state : home, xdg ? "optimclm" : ".local/state/optimclm", err));
    OC_TRY(oc_mkdirs(dir, err));
    return oc_path_join(out, dir, "history", err);
}

/* Drop earlier copies of the newest entry. */
static void drop_duplicates(const char *line)
{
    for (int i = history_length - 2; i >= 0; i--) {
        const HIST_ENTRY *e = history_get(history_base + i);
        if (!e || strcmp(e->line, line) != 0)
            continue;
        HIST_ENTRY *gone = remove_history(i);
        if (gone)
            free_history_entry(gone);
    }
}

static void read_history_file(oc_repl *r)
{
    int fd = open(r->history, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    struct stat st;
    bool usable = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (fd >= 0)
        close(fd);
    if (!usable || read_history(r->history) != 0) {
        oc_free(r->history);
        r->history = NULL;
        return;
    }
    // Each session only appends, so that two at once lose nothing; cut when it is far too long.
    if (history_length > 2 * OC_REPL_HISTORY)
        history_truncate_file(r->history, OC_REPL_HISTORY);
    stifle_history(OC_REPL_HISTORY);
    for (int i = history_length - 1; i > 0; i--) { // the newest of equal lines stays
        const HIST_ENTRY *e = history_get(history_base + i);
        for (int k = i - 1; e && k >= 0; k--) {
            const HIST_ENTRY *o = history_get(history_base + k);
            if (o && strcmp(o->line, e->line) == 0) {
                HIST_ENTRY *gone = remove_history(k);
                if (gone)
                    free_history_entry(gone);
                i--;
            }
        }
    }
}

static void remember(oc_repl *r, const char *line)
{
    if (!*line || *line == ' ')
        return;
    const HIST_ENTRY *last =
        history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (last && strcmp(last->line, line) == 0)
        return;
    add_history(line);
    drop_duplicates(line);
    using_history(); // readline had already taken its place behind the newest line
    if (r->history)
        append_history(1, r->history);
}

/* ---- life -------------------------------------------------------------------------------- */

oc_status oc_repl_open(oc_repl_complete_fn complete, void *ctx, const char *history, oc_repl **out,
                       oc_err *err)
{
    if (the_repl)
        return OC_FAIL(err, OC_STATE, "the command line is open already");
    oc_repl *r = oc_calloc(1, sizeof *r);
    if (!r)
        return OC_FAIL(err, OC_NOMEM, "out of memory while opening the command line");
    r->complete = complete;
    r->ctx = ctx;
    r->null_in = fopen("/dev/null", "r");
    r->null_out = fopen("/dev/null", "w");
    r->history = history ? oc_strdup(history) : NULL;
    if (!r->null_in || !r->null_out || (history && !r->history)) {
        oc_status st = OC_FAIL_SYS(err, OC_IO, "cannot open the command line: %s", strerror(errno));
        oc_repl_close(r);
        return st;
    }
    the_repl = r;
    using_history();
    if (r->history)
        read_history_file(r);
    start_readline(r);
    *out = r;
    return OC_OK;
}

void oc_repl_close(oc_repl *r)
{
    if (!r)
        return;
    if (the_repl == r) {
        oc_repl_cancel(r);
        rl_callback_handler_remove();
        unstifle_history();
        clear_history();
        rl_instream = rl_outstream = NULL;
        the_repl = NULL;
    }
    if (r->null_in)
        fclose(r->null_in);
    if (r->null_out)
        fclose(r->null_out);
    for (int i = 0; i < OC_REPL_SAID; i++)
        oc_free(r->said[i].text);
    oc_strlist_release(&r->entered);
    oc_strlist_release(&r->popup);
    oc_buf_release(&r->queue);
    oc_free(r->history);
    oc_free(r);
}

/* ---- input ------------------------------------------------------------------------------- */

void oc_repl_feed(oc_repl *r, const char *bytes, size_t n)
{
    oc_strlist_release(&r->popup);
    oc_buf_add(&r->queue, bytes, n);
    while (r->queue_at < r->queue.len)
        rl_callback_read_char();
    oc_buf_release(&r->queue);
    r->queue_at = 0;
}

void oc_repl_paste(oc_repl *r, const char *text, size_t n)
{
    oc_buf b = {0};
    size_t end = 0; // of the last character that is no blank: nothing is joined to empty lines
    bool joined = false;
    for (size_t i = 0; i < n && b.len < PASTE_MAX; i++) {
        unsigned char ch = (unsigned char)text[i];
        if (ch == '\r' || ch == '\n') {
            b.len = end;
            joined = end > 0;
            continue;
        }
        if (ch == '\t')
            ch = ' ';
        if (ch < 0x20 || ch == 0x7f)
            continue;
        if (ch == ' ' && (b.len == 0 || joined))
            continue;
        if (joined)
            oc_buf_str(&b, "; ");
        joined = false;
        oc_buf_ch(&b, (char)ch);
        if (ch != ' ')
            end = b.len;
    }
    oc_strlist_release(&r->popup);
    if (b.len && !b.failed) {
        b.data[b.len] = '\0';
        rl_insert_text(b.data);
    }
    oc_buf_release(&b);
}

void oc_repl_set_line(oc_repl *r, const char *text)
{
    oc_repl_cancel(r);
    rl_replace_line(text, 1);
    rl_point = rl_end;
}

const char *oc_repl_line(const oc_repl *r)
{
    (void)r;
    return rl_line_buffer ? rl_line_buffer : "";
}

void oc_repl_cancel(oc_repl *r)
{
    oc_strlist_release(&r->popup);
    if (RL_ISSTATE(IN_BETWEEN)) // readline puts its prompt back only when it is told itself
        oc_repl_feed(r, "\007", 1);
    rl_free_line_state();
    rl_callback_sigcleanup();
    rl_replace_line("", 1);
    rl_callback_handler_install(PROMPT, on_line); // its own prompt, and the end of the history
    r->scroll = 0;
}

bool oc_repl_escape(oc_repl *r)
{
    if (r->popup.n > 0) {
        oc_strlist_release(&r->popup);
        return true;
    }
    if (!RL_ISSTATE(IN_BETWEEN))
        return false;
    oc_repl_feed(r, "\007", 1); // abort: back to the line from before
    return true;
}

bool oc_repl_take(oc_repl *r, oc_buf *line)
{
    if (r->entered.n == 0)
        return false;
    char *first = r->entered.item[0];
    r->entered.n--;
    memmove(r->entered.item, r->entered.item + 1, (size_t)r->entered.n * sizeof *r->entered.item);
    // The key that opens the prompt, typed by habit when it is open.
    const char *said = first + strspn(first, ":");
    oc_buf_clear(line);
    oc_buf_str(line, said);
    remember(r, said);
    oc_free(first);
    return true;
}

bool oc_repl_take_eof(oc_repl *r)
{
    bool was = r->eof;
    r->eof = false;
    return was;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void say_line(oc_repl *r, oc_style style, const char *s, size_t n)
{
    char *copy = oc_strndup(s, n);
    if (!copy)
        return; // an answer less; nothing else depends on it
    int at = (r->said_at + r->n_said) % OC_REPL_SAID;
    if (r->n_said == OC_REPL_SAID)
        r->said_at = (r->said_at + 1) % OC_REPL_SAID;
    else
        r->n_said++;
    oc_free(r->said[at].text);
    r->said[at] = (said_line){.style = style, .text = copy};
}

void oc_repl_say(oc_repl *r, oc_style style, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        say_line(r, style, text, n);
        text += n + (text[n] == '\n');
    }
}

void oc_repl_said(const oc_repl *r, oc_buf *out)
{
    for (int i = 0; i < r->n_said; i++) {
        oc_buf_str(out, r->said[(r->said_at + i) % OC_REPL_SAID].text);
        oc_buf_ch(out, '\n');
    }
}

/* ---- drawing ----------------------------------------------------------------------------- */

/* One character as it is shown ("^A" for control characters) in text; returns columns. */
static int32_t shown(uint32_t cp, char text[5])
{
    if (cp < 0x20 || cp == 0x7f) {
        text[0] = '^';
        text[1] = (char)(cp ^ 0x40);
        text[2] = '\0';
        return 2;
    }
    text[oc_utf8_encode(cp, text)] = '\0';
    return oc_text_width(text);
}

/* Columns of s[0..n), and when c is given, drawn from column x0 on. */
static int32_t line_part(oc_canvas *c, oc_rect row, int32_t x, const char *s, size_t n,
                         oc_style style)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        char text[5];
        i += (size_t)oc_utf8_decode(s + i, n - i, &cp);
        int32_t w = shown(cp, text);
        if (c && x >= 0 && x + w <= row.w && w > 0)
            oc_text(c, row, x, 0, w, style, text);
        x += w;
    }
    return x;
}

static void draw_line(oc_repl *r, oc_canvas *c, oc_rect row, bool focused, int32_t *cursor_x,
                      int32_t *cursor_y)
{
    const char *prompt = focused && rl_display_prompt ? rl_display_prompt : PROMPT;
    size_t n = rl_line_buffer ? (size_t)rl_end : 0;
    size_t point = OC_MIN((size_t)OC_MAX(rl_point, 0), n);
    const char *line = n ? rl_line_buffer : "";
    int32_t lead = line_part(NULL, row, 0, prompt, strlen(prompt), OC_STYLE_KEY);
    int32_t at = line_part(NULL, row, lead, line, point, OC_STYLE_TEXT);
    // Keep the cursor in the row, with a little of what follows.
    if (at - r->scroll >= row.w)
        r->scroll = at - row.w + 1 + OC_MIN(8, row.w / 4);
    if (at - r->scroll < OC_MIN(row.w / 4, at))
        r->scroll = OC_MAX(0, at - row.w / 2);
    if (!focused && n == 0) {
        oc_text(c, row, 0, 0, -1, OC_STYLE_DIM, ": to type a command, ? for help");
        r->scroll = 0;
        return;
    }
    int32_t x = line_part(c, row, -r->scroll, prompt, strlen(prompt),
                          focused ? OC_STYLE_KEY : OC_STYLE_DIM);
    line_part(c, row, x, line, n, focused ? OC_STYLE_TEXT : OC_STYLE_DIM);
    if (focused) {
        *cursor_x = row.x + OC_MIN(at - r->scroll, row.w - 1);
        *cursor_y = row.y;
    }
}

static void draw_popup(const oc_repl *r, oc_canvas *c, oc_rect above)
{
    int32_t widest = 1;
    for (int64_t i = 0; i < r->popup.n; i++)
        widest = OC_MAX(widest, oc_text_width(r->popup.item[i]));
    int32_t cell = widest + 2;
    int32_t across = OC_MAX(1, (above.w - 4) / cell);
    int64_t rows = (r->popup.n + across - 1) / across;
    int32_t h = (int32_t)OC_MIN(rows, OC_MIN(POPUP_ROWS, above.h - 2));
    if (h < 1 || above.w < 6)
        return;
    if (rows == 1)
        across = (int32_t)r->popup.n;
    int32_t w = OC_MIN(across * cell + 3, above.w);
    oc_rect box = {above.x, above.y + above.h - h - 2, w, h + 2};
    char title[48];
    int64_t fit = (int64_t)h * across;
    if (fit < r->popup.n)
        snprintf(title, sizeof title, "%lld of %lld", (long long)fit, (long long)r->popup.n);
    else
        snprintf(title, sizeof title, "%lld", (long long)r->popup.n);
    oc_fill(c, box, ' ', OC_STYLE_TEXT);
    oc_rect in = oc_box(c, box, title, true);
    for (int64_t i = 0; i < r->popup.n && i < fit; i++) { // down, then across
        int32_t x = (int32_t)(i / h) * cell + 1, y = (int32_t)(i % h);
        oc_text(c, in, x, y, OC_MIN(widest, in.w - x), OC_STYLE_TEXT, r->popup.item[i]);
    }
}

void oc_repl_draw(oc_repl *r, oc_canvas *c, oc_rect rect, oc_rect above, bool focused,
                  int32_t *cursor_x, int32_t *cursor_y)
{
    *cursor_x = *cursor_y = -1;
    if (rect.w < 1 || rect.h < 1)
        return;
    oc_fill(c, rect, ' ', OC_STYLE_TEXT);
    int32_t room = rect.h - 1;
    int32_t n = OC_MIN(room, r->n_said);
    for (int32_t i = 0; i < n; i++) {
        const said_line *l = &r->said[(r->said_at + r->n_said - n + i) % OC_REPL_SAID];
        oc_rect row = {rect.x, rect.y + room - n + i, rect.w, 1};
        oc_text(c, row, 0, 0, -1, l->style, l->text);
    }
    oc_rect row = {rect.x, rect.y + room, rect.w, 1};
    draw_line(r, c, row, focused, cursor_x, cursor_y);
    if (focused && r->popup.n > 0)
        draw_popup(r, c, above);
}
