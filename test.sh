#!/usr/bin/env bash
# Sets up, builds and runs the tests. Usage: ./test.sh [release|clang|tsan|asan-ubsan|minimal|neon]…   (default: release clang)
set -euo pipefail
cd "$(dirname "$0")"
. scripts/setup.sh

jobs=$(nproc)
builds=("$@")
[ $# -gt 0 ] || builds=(release clang)
packages=("${LATHE_PACKAGES[@]}" doctest-dev)
for name in "${builds[@]}"; do
  case $name in
    release) packages+=(python3-venv clang-format-14 libdnnl-dev postgresql) ;;
    clang) packages+=(clang) ;;
    asan-ubsan) packages+=(clang libclang-rt-14-dev) ;;
    neon) packages+=(g++-aarch64-linux-gnu qemu-user-static) ;;
    tsan|minimal) ;;
    *) echo "test.sh: unknown build '$name'; known: release clang tsan asan-ubsan minimal neon" >&2; exit 2 ;;
  esac
done
lathe_need "${packages[@]}"
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

build() {  # build <folder> <configure arguments> -- <targets>
  local folder=$1 arguments=() log started=$SECONDS
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
  echo "   built in $((SECONDS - started)) s"
}
run() {  # run <folder> <ctest arguments>
  local folder=$1 code=0
  shift
  echo "== testing $folder"
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$jobs" "$@" || code=$?
  # What passed without being tested, and why.
  grep -hE '(SKIPPED|NOT RUN): ' "$folder/Testing/Temporary/LastTest.log" | sed 's/^ */   /' | sort -u || true
  [ "$code" = 0 ] || exit 1
}
optuna() {  # Optuna and its dashboard, which open a study; TensorBoard and the Hub's library, which read what a run leaves
  if [ -x build/python/bin/optuna-dashboard ] && build/python/bin/python -c 'import psycopg2, tensorboard, huggingface_hub' 2>/dev/null; then return 0; fi
  echo "== fetching Optuna, its dashboard and its PostgreSQL driver (build/python)"
  rm -rf build/python
  mkdir -p build
  if ! { python3 -m venv build/python &&
         build/python/bin/python -m pip -q install --retries 1 --timeout 60 optuna==5.0.0 optuna-dashboard==0.21.0 psycopg2-binary tensorboard==2.21.0 huggingface_hub; } >build/python.log 2>&1; then
    echo "   impossible (is there a network?): what needs them is skipped; the log is build/python.log"
    rm -rf build/python
  fi
}

for name in "${builds[@]}"; do
  case $name in
    release)
      optuna
      build build/release -DCMAKE_BUILD_TYPE=Release --
      run build/release ;;
    clang)  # a second compiler must give the same bits
      build build/clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ -- conformance_tests
      run build/clang -L conformance -LE exhaustive ;;
    tsan)  # the parts with threads
      build build/tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLATHE_SANITIZE=thread -- threaded_tests
      run build/tsan -L threads -LE slow ;;
    asan-ubsan)  # by clang, which compiles the checks in half the time
      build build/asan-ubsan -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DCMAKE_CXX_COMPILER=clang++ \
            -DLATHE_SANITIZE=address,undefined -- short_tests
      run build/asan-ubsan -LE 'exhaustive|slow|packaging|documents' -E 'symbols|format|include_rule' ;;
    minimal)  # no SQLite, no third-party header in the libraries
      build build/minimal -DCMAKE_BUILD_TYPE=Release -DLATHE_MINIMAL=ON --
      run build/minimal -LE 'exhaustive|slow|packaging' ;;
    neon)  # 64-bit ARM, emulated
      build build/neon -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -- \
            conformance_tests test_backend isa_faults test_autograd_gradcheck test_nn_gradcheck test_golden_training
      run build/neon -R '^(backend|backend_forced_.*|isa_symbols_.*|library_symbols_sees_faults|autograd_gradcheck|autograd_fused|nn_transformer|nn_gradcheck|conformance_.*|golden_training|train_hash|optim.*)$' ;;
  esac
done
echo "== done in $((SECONDS / 60)) min $((SECONDS % 60)) s: ${builds[*]}"
