#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs those of the named Debian packages that are missing, as root or through sudo. Elsewhere,
# or offline, it says what is wanted and leaves it to the build to find out.
set -u

missing=
for package in "$@"; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
    "install ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "not a Debian system; wanted are the equivalents of:$missing" >&2
    exit 0
fi
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
if ! { $as_root apt-get update -qq &&
       $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then
    echo "could not install:$missing" >&2
fi
exit 0
