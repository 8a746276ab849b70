#!/usr/bin/env bash
# Sets up, builds and runs all tests. Usage: ./test.sh [release|clang|asan-ubsan|tsan|minimal]…   (default: release)
set -euo pipefail
cd "$(dirname "$0")"
. scripts/setup.sh
lathe_need "${LATHE_PACKAGES[@]}" doctest-dev

jobs=$(nproc)
builds=("$@")
[ $# -gt 0 ] || builds=(release)
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

build() {  # build <folder> <configure arguments> -- <targets>
  local folder=$1 arguments=() log
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do arguments+=("$1"); shift; done
  shift
  mkdir -p "$folder"
  log=$folder/build.log
  echo "== building $folder"
  if ! { cmake -S . -B "$folder" -G Ninja -DLATHE_REQUIRE_TESTS=ON "${launcher[@]}" "${arguments[@]}" && cmake --build "$folder" -j "$jobs" ${1:+--target "$@"}; } >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    echo "lathe: the build of $folder failed; the whole log is $log" >&2
    exit 1
  fi
}
run() {  # run <folder> <ctest arguments>
  local folder=$1
  shift
  echo "== testing $folder"
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$jobs" "$@"
}

for name in "${builds[@]}"; do
  case $name in
    release)
      build build/release -DCMAKE_BUILD_TYPE=Release --
      run build/release ;;
    clang)  # a second compiler must give the same bits
      build build/clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ -- conformance_tests
      run build/clang -L conformance -LE exhaustive ;;
    asan-ubsan)
      build build/asan-ubsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLATHE_SANITIZE=address,undefined --
      run build/asan-ubsan -LE 'exhaustive|slow|packaging' ;;
    tsan)  # the parts with threads
      build build/tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLATHE_SANITIZE=thread -- threaded_tests
      run build/tsan -L threads -LE slow ;;
    minimal)  # no SQLite, no third-party header in the libraries
      build build/minimal -DCMAKE_BUILD_TYPE=Release -DLATHE_MINIMAL=ON --
      run build/minimal -LE 'exhaustive|slow|packaging' ;;
    *) echo "test.sh: unknown build '$name'; known: release clang asan-ubsan tsan minimal" >&2; exit 2 ;;
  esac
done
