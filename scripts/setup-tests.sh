#!/usr/bin/env bash
# Sets up what the tests need beyond Python packages: a Chromium, a Docker engine that answers, a base image.
#
# As root on Debian it installs and starts what is missing; elsewhere it says what is missing and goes on:
# tests that need it are then skipped, or fail where CI=true. Does nothing when everything is there.
#
#   ENVSIM_DOCKERD_PID_FILE   where to write the pid of an engine this script had to start
set -euo pipefail
cd "$(dirname "$0")/.."

BASE=python:3.12-slim-bookworm

say() { echo "setup-tests: $*"; }

can_install() { [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; }

engine_answers() { command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; }

have_chromium() { command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null; }

packages() {
    have_chromium || echo chromium chromium-headless-shell fonts-liberation fonts-dejavu-core
    if ! engine_answers; then
        command -v dockerd >/dev/null || echo docker.io
    fi
    command -v debootstrap >/dev/null || echo debootstrap
}

install_packages() {
    local missing
    read -r -a missing <<<"$(packages | tr '\n' ' ')"
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! can_install; then
        say "missing: ${missing[*]}. Install them with your system's package manager."
        return 0
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    # A package that starts a service at install time must not fail the install on a machine without an init.
    apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
}

# Starts dockerd in a session of its own, so that an interrupt at the terminal does not reach it; 0 when it answers.
start_engine() {
    local log pid
    log=$(mktemp -t dockerd.XXXXXX.log)
    setsid dockerd "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 60); do
        if engine_answers; then
            say "started dockerd $* (pid $pid, log $log)"
            [ -z "${ENVSIM_DOCKERD_PID_FILE:-}" ] || echo "$pid" >"$ENVSIM_DOCKERD_PID_FILE"
            return 0
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.5
    done
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    tail -n 3 "$log" >&2
    return 1
}

ensure_engine() {
    if engine_answers; then return 0; fi
    if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
        say "no Docker engine answers. Start Docker, or run this as root on Debian."
        return 0
    fi
    # Inside a container the default storage driver or the bridge may be refused; our sandboxes need neither.
    start_engine || start_engine --storage-driver=vfs || start_engine --storage-driver=vfs --iptables=false --bridge=none ||
        say "dockerd does not start; the docker tests cannot run."
}

ensure_base_image() {
    engine_answers || return 0
    if docker image inspect "$BASE" >/dev/null 2>&1 || docker image inspect envsim-base:bookworm >/dev/null 2>&1; then
        return 0
    fi
    if timeout 120 docker pull -q "$BASE" 2>/dev/null; then return 0; fi
    say "$BASE cannot be pulled; building the equivalent base image"
    scripts/base-image.sh
}

install_packages
ensure_engine
ensure_base_image
