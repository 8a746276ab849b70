#!/usr/bin/env bash
# What the engine costs to build and to carry: base, tensor, autograd, nn and optim without any dependency.
#   bench/light.sh [LATHE]      LATHE: the command, whose start-up time is told too
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLATHE_MINIMAL=ON -DLATHE_TESTS=OFF -DLATHE_EXAMPLES=OFF >"$folder/log"
start=$(date +%s)
cmake --build "$folder" -j "$(nproc)" --target lathe_optim lathe_nn >>"$folder/log"
printf 'built in %d s on %d cores\n' $(($(date +%s) - start)) "$(nproc)"
for library in base tensor autograd nn optim; do
  strip --strip-unneeded -o "$folder/stripped" "$(find "$folder" -name "liblathe_$library.a")"
  printf '%-9s %6d KiB\n' "$library" $(($(stat -c %s "$folder/stripped") / 1024))
done
if [ $# -gt 0 ]; then
  start=$(date +%s%N)
  for _ in $(seq 100); do "$1" --version >/dev/null; done
  printf 'lathe --version: %d us\n' $((($(date +%s%N) - start) / 100000))
fi
