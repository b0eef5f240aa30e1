#!/bin/sh
# Builds `envsim-base:bookworm`, a small Debian with Python, for machines whose Docker engine cannot
# pull python:3.12-slim-bookworm. Idempotent: does nothing when the image exists. About one minute.
#
#   scripts/base-image.sh [--force]
set -eu

IMAGE=${ENVSIM_BASE_TAG:-envsim-base:bookworm}
SUITE=bookworm
INCLUDE=python3,python3-venv,ca-certificates

fail() {
    echo "error: $1" >&2
    exit 2
}

command -v docker >/dev/null 2>&1 || fail "docker is not installed. Run: apt-get install -y docker.io"
docker version >/dev/null 2>&1 || fail "no Docker engine answers. Run: service docker start (or dockerd &)"

if [ "${1:-}" != "--force" ] && docker image inspect "$IMAGE" >/dev/null 2>&1; then
    echo "$IMAGE exists; nothing to do (--force rebuilds it)"
    exit 0
fi

[ "$(id -u)" = 0 ] || fail "debootstrap needs root. Run: sudo $0"
command -v debootstrap >/dev/null 2>&1 || fail "debootstrap is not installed. Run: apt-get install -y debootstrap"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM

echo "debootstrap $SUITE ..."
if ! debootstrap --variant=minbase --include="$INCLUDE" "$SUITE" "$root/fs" >"$root/log" 2>&1; then
    tail -n 20 "$root/log" >&2
    fail "debootstrap failed. Run: apt-get update, check the network, and try again"
fi

# The wheels are installed at build time by pip from the host's wheelhouse: a container never
# downloads anything, so package lists and documentation are dead weight.
rm -rf "$root/fs/var/cache/apt" "$root/fs/var/lib/apt/lists" "$root/fs/var/log" \
    "$root/fs/usr/share/doc" "$root/fs/usr/share/man" "$root/fs/usr/share/locale" "$root/fs/usr/share/info"
mkdir -p "$root/fs/var/cache/apt/archives/partial" "$root/fs/var/lib/apt/lists/partial" "$root/fs/var/log"
# python:3-slim calls its interpreter `python`; one Dockerfile serves both bases.
ln -sf python3 "$root/fs/usr/bin/python"

echo "docker import ..."
tar --numeric-owner -C "$root/fs" -c . | docker import - "$IMAGE" >/dev/null
docker image inspect --format "$IMAGE: {{.Size}} bytes" "$IMAGE"
