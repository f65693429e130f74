/*
 * tui/recipes.h - the recipes of assets/recipes, built in (the build makes them string literals).
 */
#ifndef OC_TUI_RECIPES_H
#define OC_TUI_RECIPES_H

typedef struct oc_builtin {
    const char *name, *text; /* NULL ends the table */
} oc_builtin;
extern const oc_builtin oc_builtin_recipes[];

#endif
