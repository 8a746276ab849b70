#!/usr/bin/env bash
# The training hash from every compiler and level of optimisation: builds train_hash with g++ and clang++ at -O1 and -O3, for this
# processor and, where g++-aarch64-linux-gnu and qemu-user-static are installed, for 64-bit ARM. Every run checks its hashes.
# Usage: tests/golden/compilers.sh [folder]   (default: build/compilers; JOBS=1 to build gently)
set -euo pipefail
cd "$(dirname "$0")/../.."
root=${1:-build/compilers}
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
status=0

variant() {  # variant <name> <level> <configure arguments>
  local name=$1 level=$2 folder=$root/$1 log=$root/$1.log
  shift 2
  mkdir -p "$root"
  if cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS_RELEASE=$level -DNDEBUG" -DLATHE_REQUIRE_TESTS=ON \
       "${launcher[@]}" "$@" >"$log" 2>&1 &&
     cmake --build "$folder" -j "${JOBS:-$(nproc)}" --target test_train_hash >>"$log" 2>&1 &&
     ctest --test-dir "$folder" -R '^train_hash$' --no-tests=error -V >>"$log" 2>&1; then
    grep -o 'MESSAGE: .*' "$log" | awk -v name="$name" '{ if (!n[$NF]++) order[++k] = $NF }
      END { for (i = 1; i <= k; ++i) print name ": passed: " order[i] " in " n[order[i]] " runs"; exit k == 0 }' || status=1
  else
    tail -n 30 "$log" >&2
    echo "$name: FAILED; the whole log is $log" >&2
    status=1
  fi
}

for level in -O1 -O3; do
  for compiler in g++ clang++; do variant "$compiler$level" "$level" -DCMAKE_CXX_COMPILER="$compiler"; done
  if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64-static >/dev/null; then
    variant "aarch64-g++$level" "$level" -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake
  else
    echo "aarch64-g++$level: not built (Debian: g++-aarch64-linux-gnu qemu-user-static)"
  fi
done
exit $status
