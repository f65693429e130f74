#include "core/io/sniff.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/base/attr.h"

static const struct {
    size_t at;
    const char *bytes, *what;
} known[] = {
    {0, "version https://git-lfs",
     "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"},
    {0, "PK\003\004", "a zip archive (a PyTorch .bin file?)"},
    {0, "\200\002", "a Python pickle (an old PyTorch .bin file?)"},
    {0, "\x89HDF", "an HDF5 file (TensorFlow weights?)"},
    {0, "GGUF", "a GGUF file"},
    {257, "ustar", "a tar archive (PyTorch before 0.2, or a package to unpack?)"},
    {0, "\x1f\x8b", "a gzip file; unpack it first"},
};

const char *oc_sniff(const void *data, size_t n)
{
    const char *p = data;
    for (int i = 0; i < OC_COUNT(known); i++) {
        size_t k = strlen(known[i].bytes);
        if (n >= known[i].at + k && !memcmp(p + known[i].at, known[i].bytes, k))
            return known[i].what;
    }
    uint64_t header = 0; // of safetensors: its length, then JSON
    if (n >= 9)
        memcpy(&header, p, 8);
    if (n >= 9 && header <= n - 8 && p[8] == '{')
        return "a safetensors file";
    size_t at = 0;
    while (at < n && at < 256 && memchr(" \t\r\n", p[at], 4))
        at++;
    static const char *const html[] = {"<!doctype", "<html", "<head", "<?xml"};
    for (int i = 0; i < OC_COUNT(html); i++) {
        size_t k = strlen(html[i]);
        if (n - at >= k && !strncasecmp(p + at, html[i], k))
            return "a web page (HTML), not the file itself; download it again";
    }
    return NULL;
}
