/*
 * tui/cli_man.c - the tables as man page text: `make man` puts it between the marks of the pages in
 * man/, and a test checks that they still agree.
 */
#include <stdio.h>
#include <string.h>

#include "core/engine/event.h"
#include "tui/cli.h"
#include "views/view.h"

/* Text with what roff would read as markup escaped. */
static void roff(oc_buf *out, const char *s)
{
    if (*s == '.' || *s == '\'')
        oc_buf_str(out, "\\&");
    for (; *s; s++) {
        if (*s == '\\')
            oc_buf_str(out, "\\e");
        else if (*s == '-')
            oc_buf_str(out, "\\-");
        else
            oc_buf_ch(out, *s);
    }
}

static void tagged(oc_buf *out, const char *name, const char *args, const char *help)
{
    oc_buf_str(out, ".TP\n.B ");
    roff(out, name);
    if (*args) {
        oc_buf_str(out, " \\fI");
        roff(out, args);
        oc_buf_str(out, "\\fR");
    }
    oc_buf_ch(out, '\n');
    roff(out, help);
    oc_buf_str(out, ".\n");
}

static void man_cli(oc_buf *out)
{
    for (int i = 0; i < oc_cli_count(); i++) {
        const oc_cli_command *k = oc_cli_at(i);
        tagged(out, k->name, k->args, k->help);
        if (!*k->options)
            continue;
        oc_buf_str(out, "Options:");
        oc_strlist l = {0};
        if (oc_strlist_split(&l, k->options, ' ', NULL) == OC_OK)
            for (int64_t j = 0; j < l.n; j++) {
                oc_buf_str(out, j ? ", \\-\\-" : " \\-\\-");
                roff(out, l.item[j]);
            }
        oc_strlist_release(&l);
        oc_buf_str(out, ".\n");
    }
}

static void man_commands(oc_buf *out)
{
    for (int i = 0; i < oc_command_count(); i++)
        tagged(out, oc_command_at(i)->name, oc_command_at(i)->args, oc_command_at(i)->help);
}

static void man_views(oc_buf *out)
{
    for (int i = 0; i < oc_view_count(); i++)
        tagged(out, oc_view_at(i)->name, "", oc_view_at(i)->title);
}

static void man_settings(oc_buf *out)
{
    const char *stage = "";
    for (int i = 0; i < oc_setting_count(); i++) {
        const oc_setting *d = oc_setting_at(i);
        if (strcmp(stage, d->stage) != 0) {
            stage = d->stage;
            oc_buf_fmt(out, ".SS %s\n", stage);
        }
        char args[160];
        if (d->type == OC_SET_INT || d->type == OC_SET_REAL)
            snprintf(args, sizeof args, "%s %.10g..%.10g",
                     d->type == OC_SET_INT ? "whole number" : "number", d->lo, d->hi);
        else
            snprintf(args, sizeof args, "%.120s",
                     d->type == OC_SET_FLAG   ? "true|false"
                     : d->type == OC_SET_WORD ? d->words
                                              : "text");
        tagged(out, d->key, args, d->help);
        if (*d->otherwise) {
            oc_buf_str(out, "Default: ");
            roff(out, d->otherwise);
            oc_buf_str(out, ".\n");
        }
    }
}

static void man_events(oc_buf *out)
{
    static const char *const kind[] = {"text", "whole number", "number", "true or false",
                                       "list of numbers"};
    for (int t = 0; t < OC_N_EVENTS; t++) {
        int n;
        const oc_event_field *f = oc_event_fields((oc_event_type)t, &n);
        oc_buf_str(out, ".TP\n.B ");
        roff(out, oc_event_name((oc_event_type)t));
        oc_buf_ch(out, '\n');
        for (int i = 0; i < n; i++) {
            oc_buf_fmt(out, "%s\\fI", i ? ", " : "");
            roff(out, f[i].name);
            oc_buf_fmt(out, "\\fR (%s)", kind[f[i].kind]);
        }
        oc_buf_str(out, ".\n");
    }
}

static void man_recipes(oc_buf *out)
{
    oc_buf_str(out, ".nf\n");
    roff(out, oc_cli_builtin_recipe("demo"));
    oc_buf_str(out, ".fi\n");
}

int oc_cli_man(oc_cli *c)
{
    static const struct {
        const char *name;
        void (*write)(oc_buf *out);
    } part[] = {{"cli", man_cli},           {"commands", man_commands}, {"views", man_views},
                {"settings", man_settings}, {"events", man_events},     {"recipes", man_recipes}};
    oc_buf out = {0};
    for (int i = 0; c->arg.n == 2 && i < OC_COUNT(part); i++)
        if (!strcmp(part[i].name, c->arg.item[1]))
            part[i].write(&out);
    int rc = out.len
                 ? oc_cli_print(&out)
                 : oc_cli_usage(
                       "manual takes one part: cli, commands, views, settings, events, recipes");
    oc_buf_release(&out);
    return rc;
}
