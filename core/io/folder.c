#include "core/io/folder.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"

#define SAVING ".saving"

oc_status oc_folder_path(const char *dir, char out[OC_FOLDER_PATH], oc_err *err)
{
    if (strlen(dir) >= OC_FOLDER_PATH || !*dir)
        return OC_FAIL(err, OC_RANGE, "a folder's path must have 1 to %d bytes: \"%.80s\"",
                       OC_FOLDER_PATH - 1, dir);
    oc_strlcpy(out, dir, OC_FOLDER_PATH);
    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
        out[n - 1] = 0;
    return OC_OK;
}

/* Files we write, or their temporary names. */
static bool is_ours(const oc_folder *f, const char *name)
{
    for (int i = 0; f->names[i]; i++) {
        size_t n = strlen(f->names[i]);
        if (!strncmp(name, f->names[i], n) && (!name[n] || oc_str_starts(name + n, ".tmp-")))
            return true;
    }
    return false;
}

/* That removing `dir` would lose nothing but what we wrote. Absent is fine. */
static oc_status check_replaceable(const char *dir, const oc_folder *f, const char *marker,
                                   oc_err *err)
{
    if (!oc_path_exists(dir))
        return OC_OK;
    if (!oc_path_is_dir(dir))
        return OC_FAIL(err, OC_STATE, "%s is a file; %s is a folder, name another", dir, f->what);
    oc_strlist names = {0};
    oc_status rc = oc_dir_list(dir, &names, err);
    for (int64_t i = 0; i < names.n && rc == OC_OK; i++)
        if (!is_ours(f, names.item[i]))
            rc = OC_FAIL(err, OC_STATE,
                         "%s holds %.100s, which is no part of %s we wrote; name another folder",
                         dir, names.item[i], f->what);
    if (rc == OC_OK && marker && names.n > 0 && oc_strlist_find(&names, marker) < 0)
        rc = OC_FAIL(err, OC_STATE, "%s holds files, but is not %s we wrote; name another folder",
                     dir, f->what);
    oc_strlist_release(&names);
    return rc;
}

static oc_status take_name(const char *temp, const char *dir, const char *aside, oc_err *err)
{
    if (oc_path_exists(dir)) {
        OC_TRY(oc_remove_tree(aside, err));
        OC_TRY(oc_rename(dir, aside, err));
    }
    oc_status rc = oc_rename(temp, dir, err);
    if (rc != OC_OK) {
        if (!oc_path_exists(dir) && oc_path_exists(aside) && oc_rename(aside, dir, NULL) != OC_OK)
            oc_err_note(err, "the old folder is now %s", aside);
        return rc;
    }
    // The new folder is in place; what cannot be removed now goes with the next save.
    (void)!oc_remove_tree(aside, NULL);
    return OC_OK;
}

typedef struct paths {
    char to[OC_FOLDER_PATH], temp[OC_FOLDER_PATH + 16], aside[OC_FOLDER_PATH + 16];
} paths;

static oc_status settle(const char *dir, const oc_folder *f, paths *p, oc_err *err)
{
    OC_TRY(oc_folder_path(dir, p->to, err));
    snprintf(p->temp, sizeof p->temp, "%s" SAVING, p->to);
    snprintf(p->aside, sizeof p->aside, "%s" OC_FOLDER_ASIDE, p->to);
    OC_TRY(check_replaceable(p->to, f, f->marker, err));
    OC_TRY(check_replaceable(p->aside, f, f->marker, err));
    return check_replaceable(p->temp, f, NULL, err); // cut off at any file
}

oc_status oc_folder_check(const char *dir, const oc_folder *f, oc_err *err)
{
    paths p;
    return settle(dir, f, &p, err);
}

oc_status oc_folder_write(const char *dir, const oc_folder *f, oc_err *err)
{
    paths p;
    OC_TRY(settle(dir, f, &p, err));
    OC_TRY(oc_remove_tree(p.temp, err));
    oc_status rc = oc_mkdirs(p.temp, err);
    if (rc == OC_OK)
        rc = f->write(f->ctx, p.temp, err);
    if (rc == OC_OK)
        rc = take_name(p.temp, p.to, p.aside, err);
    if (rc != OC_OK)
        (void)!oc_remove_tree(p.temp, NULL);
    return rc;
}

oc_status oc_folder_find(const char *dir, char out[OC_PATH_MAX], oc_err *err)
{
    char aside[OC_PATH_MAX];
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n + sizeof OC_FOLDER_ASIDE > sizeof aside)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", dir);
    memcpy(aside, dir, n);
    aside[n] = 0;
    memcpy(out, aside, n + 1);
    strcat(aside, OC_FOLDER_ASIDE);
    if (!oc_path_exists(out) && oc_path_is_dir(aside))
        memcpy(out, aside, n + sizeof OC_FOLDER_ASIDE);
    return OC_OK;
}
