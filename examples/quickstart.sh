#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds Skald and lets a model continue a text:
#
#     sh examples/quickstart.sh [MODEL.gguf [PROMPT]]
#
# Installs the compiler and meson when they are missing (Debian 12, as root). Without a model it
# makes a small one with random weights, whose text is noise.
set -eu

model=${1:-}
prompt=${2:-Once upon a time}
case $model in
"" | /*) ;;
*) model=$PWD/$model ;;
esac
cd "$(dirname "$0")/.."

sh examples/install.sh build-essential meson ninja-build python3
[ -f build/build.ninja ] || meson setup build >&2
ninja -C build examples/skald/skald examples/random_model/random_model >&2

if [ -z "$model" ]; then
    model=build/random.gguf
    build/examples/random_model/random_model "$model"
    echo "No model was named, so this one has random weights: expect noise, not a story." >&2
    echo "With a real model: sh examples/quickstart.sh MODEL.gguf \"$prompt\"" >&2
fi
exec build/examples/skald/skald run "$model" -p "$prompt" -n 64
