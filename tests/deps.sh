#!/bin/sh
# Make sure of the Debian packages optimclm is built and tested with: says what is missing, installs
# it with apt-get when root or sudo allows, else prints the command to type.
set -u
need=""
for p in gcc make pkg-config libc6-dev libncurses-dev libreadline-dev libcjson-dev libutf8proc-dev \
    libxxhash-dev libzip-dev libprotobuf-c-dev protobuf-c-compiler libcmocka-dev tmux; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || need="$need $p"
done
[ -z "$need" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    for l in ncursesw readline libcjson libutf8proc libxxhash libzip libprotobuf-c cmocka; do
        pkg-config --exists "$l" 2>/dev/null || { echo "deps: missing library $l (no apt-get here: install it by hand)" >&2; exit 1; }
    done
    exit 0
fi
echo "deps: missing packages:$need" >&2
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "deps: type this, then try again:  sudo apt-get update && sudo apt-get install -y$need" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq >&2 && $sudo apt-get install -y -qq --no-install-recommends $need >&2 || {
    echo "deps: apt-get could not install:$need" >&2
    exit 1
}
