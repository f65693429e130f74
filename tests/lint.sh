#!/bin/sh
# Checks of the sources: layout, layers, third-party headers in their one place, cppcheck, analyser.
set -u
bad=0
say() { echo "lint: $1"; bad=1; }

if command -v clang-format >/dev/null 2>&1; then
    for f in $(git ls-files '*.c' '*.h'); do
        clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || say "$f is not laid out as .clang-format says (make format)"
    done
else
    echo "lint: clang-format is not here: layout not checked"
fi

includes() { git grep -nE "^ *# *include *[<\"]($1)" -- "$2" 2>/dev/null; }
layer() { out=$(includes "$1" "$2"); [ -z "$out" ] || say "include that points the wrong way:
$out"; }
layer '(sessions|views|tui)/' core
layer '(views|tui)/' sessions
layer 'tui/' views
layer 'core/(nn|io|kernels|compress|engine|data|text|measure)/' core/base
third() { out=$(git grep -nE "# *include *<($1)" -- '*.c' '*.h' | grep -v "^$2"); [ -z "$out" ] || say "third-party header outside $2:
$out"; }
third 'cjson/' core/base/json.c
third 'omp\.h' core/base/par.c
third 'xxhash' core/base/hash.c
third 'zip\.h' core/io/zip.c
third 'utf8proc' core/text/unicode.c
third '(protobuf-c/|onnx\.pb-c)' core/io/export_onnx_pb.c
third '(n?curses)' tui/screen_curses.c
third 'readline/' tui/repl.c
out=$(git grep -nE '\b(printf|puts|perror|exit|abort|signal|sigaction) *\(' -- core sessions views | grep -vE 'snprintf|vsnprintf|core/base/err.c|//|\* ')
[ -z "$out" ] || say "printing, exiting or signals below tui/:
$out"

if command -v cppcheck >/dev/null 2>&1; then
    cppcheck --quiet --inline-suppr --error-exitcode=1 --enable=warning,portability --suppress=missingIncludeSystem \
        --suppress=duplicateAssignExpression -I. --std=c11 -D_XOPEN_SOURCE=700 core sessions views tui || say "cppcheck found something"
else
    echo "lint: cppcheck is not here: not run"
fi
[ "$bad" = 0 ] && echo "lint: clean"
exit "$bad"
