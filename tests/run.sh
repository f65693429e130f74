#!/bin/sh
# Run cmocka test binaries and the fuzz corpora; close with "N passed, N failed, N skipped".
#   run.sh TEST... -- FUZZ_REPLAY...
# A binary that crashes or runs past TEST_TIMEOUT seconds counts as one failure.
set -u
build=${BUILD:-build/release}
logs=$build/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0 fuzz=0
count() { grep -c "$1" "$2" 2>/dev/null; }
for t in "$@"; do
    if [ "$t" = -- ]; then
        fuzz=1
        continue
    fi
    name=$(basename "$t")
    log=$logs/$name.log
    if [ "$fuzz" = 1 ]; then
        corpus=tests/fuzz/corpus/${name#fuzz_}
        timeout "${TEST_TIMEOUT:-900}" "$t" "$corpus" >"$log" 2>&1
        rc=$?
        if [ "$rc" = 0 ]; then p=1 f=0; else p=0 f=1; fi
        s=0
    else
        timeout "${TEST_TIMEOUT:-900}" "$t" >"$log" 2>&1
        rc=$?
        p=$(count '^\[       OK \]' "$log") f=$(count '^\[  FAILED  \] [A-Za-z_0-9]*$' "$log")
        s=$(count '^\[  SKIPPED \] [A-Za-z_0-9]*$' "$log")
        f=$((f > 0 ? f - 0 : 0))
        if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
        if [ "$rc" = 0 ]; then f=0; fi
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$rc" = 0 ]; then
        echo "ok    $name ($p passed${s:+, $s skipped})"
        [ "$s" = 0 ] || grep -h -B1 -i 'skip' "$log" | grep -v '^\[' | grep -v '^--' | sed 's/^/      /' | sort -u | head -5
    else
        echo "FAIL  $name (exit $rc): $log"
        grep -v '^\[ *\(RUN\|OK\)' "$log" | tail -25 | sed 's/^/      /'
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
