/*
 * tui/main.c - start: locale, kernels, and the command line.
 */
#include <locale.h>

#include "tui/cli.h"

int main(int argc, char **argv)
{
    // Only character types: numbers are read and written with a point everywhere.
    setlocale(LC_CTYPE, "");
    return oc_cli_main(argc, argv);
}
