#!/bin/sh
# Tables of the man pages between ".\" begin PART" and ".\" end PART": check that they are what the
# program says, or write them.
#   man.sh check|write
set -u
bin=${OC_BINARY:-build/release/optimclm}
bad=0
for page in man/*.[157]; do
    new=$(mktemp)
    while IFS= read -r line; do
        case $line in
        '.\" begin '*)
            printf '%s\n' "$line" >>"$new"
            "$bin" manual "${line#'.\" begin '}" >>"$new" || exit 1
            skip=1
            ;;
        '.\" end '*)
            skip=0
            printf '%s\n' "$line" >>"$new"
            ;;
        *) [ "${skip:-0}" = 1 ] || printf '%s\n' "$line" >>"$new" ;;
        esac
    done <"$page"
    if ! cmp -s "$new" "$page"; then
        if [ "$1" = write ]; then
            cat "$new" >"$page"
            echo "$page rewritten"
        else
            echo "$page differs from the program's tables: make man"
            bad=1
        fi
    fi
    rm -f "$new"
done
exit "$bad"
