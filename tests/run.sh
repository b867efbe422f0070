#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds Skald and runs all its tests:
#
#     sh tests/run.sh [plain | sanitize | threads]
#
# plain is the release build, sanitize has address and undefined-behaviour sanitizers, threads
# ThreadSanitizer. Installs what it needs when that is missing (Debian 12, as root). The last line is
# "N passed, N failed, N skipped"; the exit status is 0 when none failed.
set -u
cd "$(dirname "$0")/.." || exit 1

case ${1:-plain} in
plain) build=build options= ;;
sanitize) build=build-sanitize options="-Db_sanitize=address,undefined -Db_lundef=false" ;;
threads) build=build-threads options="-Db_sanitize=thread -Db_lundef=false" ;;
*)
    echo "usage: sh tests/run.sh [plain | sanitize | threads]" >&2
    exit 2
    ;;
esac

sh examples/install.sh build-essential clang meson ninja-build python3 luajit pkgconf locales

log=$build/meson-logs/testlog.json
rm -f "$log"
if { [ -f $build/build.ninja ] || meson setup $build $options; } && ninja -C $build; then
    meson test -C $build --no-rebuild --print-errorlogs --timeout-multiplier 3
fi
exec python3 tests/summary.py "$log"
