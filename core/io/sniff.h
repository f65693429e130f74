/*
 * core/io/sniff.h - what lies where a file of a model was expected.
 */
#ifndef OC_IO_SNIFF_H
#define OC_IO_SNIFF_H

#include <stddef.h>

/*
 * What a file that starts with p[0..n) is, as an end of "... is": "a Git LFS pointer, not the file
 * itself; fetch it with `git lfs pull`", "a zip archive (a PyTorch .bin file?)".
 * Static text; NULL when nothing is recognized. Threads: any.
 */
const char *oc_sniff(const void *p, size_t n);

#endif
