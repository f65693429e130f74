#!/bin/sh
# Build fuzz targets with clang's libFuzzer and run each FUZZ_SECONDS (60) from its corpus.
#   fuzz.sh TARGET...
set -u
command -v clang >/dev/null 2>&1 || { echo "fuzz: needs clang (apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
build=build/fuzz
make --no-print-directory CC=clang BUILD="$build" CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' SAN=address,undefined \
    "$build/libtui.a" "$build/libviews.a" "$build/libsessions.a" "$build/libcore.a" >/dev/null || exit 1
for t in "$@"; do
    clang -std=c11 -I. -D_XOPEN_SOURCE=700 -D_DEFAULT_SOURCE -O1 -g -fopenmp -fsanitize=fuzzer,address,undefined "tests/fuzz/fuzz_$t.c" \
        "$build/libtui.a" "$build/libviews.a" "$build/libsessions.a" "$build/libcore.a" \
        $(pkg-config --libs ncursesw readline libcjson libutf8proc libxxhash libzip libprotobuf-c) -lm -o "$build/fuzz_$t" || exit 1
    mkdir -p "$build/corpus/$t"
    echo "== $t"
    "$build/fuzz_$t" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        "$build/corpus/$t" "tests/fuzz/corpus/$t" 2>&1 | tail -12
done
