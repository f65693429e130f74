/*
 * Any text as a command line: splitting and completing it. Splitting what was split, each word
 * escaped, must give the same words; completion must not offer what does not begin as asked.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "sessions/workbench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void escape(const char *word, oc_buf *out)
{
    oc_buf_str(out, out->len ? " " : "");
    if (!*word)
        oc_buf_str(out, "''");
    for (const char *p = word; *p; p++) {
        if (strchr(" \t\r\n\\\"';", *p))
            oc_buf_ch(out, '\\');
        oc_buf_ch(out, *p);
    }
}

static void check_words(const oc_strlist *words)
{
    oc_buf line = {0};
    for (int64_t i = 0; i < words->n; i++)
        escape(words->item[i], &line);
    oc_strlist again = {0};
    const char *rest;
    if (oc_command_split(oc_buf_cstr(&line), &again, &rest, NULL) != OC_OK || *rest ||
        again.n != words->n)
        abort();
    for (int64_t i = 0; i < again.n; i++)
        if (strcmp(again.item[i], words->item[i]) != 0)
            abort();
    oc_strlist_release(&again);
    oc_buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *line = oc_strndup((const char *)data, n);
    if (!line)
        return 0;
    for (const char *p = line; *p;) {
        oc_strlist words = {0};
        const char *rest = p;
        if (oc_command_split(p, &words, &rest, NULL) != OC_OK)
            break;
        if (rest <= p || rest > line + n)
            abort();
        check_words(&words);
        oc_strlist_release(&words);
        p = rest;
    }
    int64_t len = (int64_t)strlen(line);
    for (int64_t cursor = len; cursor >= 0 && cursor > len - 3; cursor--) {
        oc_strlist found = {0};
        int64_t from = -1;
        if (oc_command_complete(NULL, line, cursor, &found, &from, NULL) == OC_OK) {
            if (from < 0 || from > cursor)
                abort();
            for (int64_t i = 0; i < found.n; i++) {
                oc_strlist one = {0};
                if (oc_command_split(found.item[i], &one, NULL, NULL) != OC_OK || one.n > 1)
                    abort(); // a candidate is one word
                oc_strlist_release(&one);
            }
        }
        oc_strlist_release(&found);
    }
    oc_free(line);
    return 0;
}
