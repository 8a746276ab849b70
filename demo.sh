#!/usr/bin/env bash
# From nothing to a searched, tested and exported classifier: installs what is missing, builds, gets data, searches, shows the result.
# Usage: ./demo.sh [run folder]      (default: a new one under runs/)
set -euo pipefail
cd "$(dirname "$0")"
. scripts/setup.sh
started=$SECONDS
lathe_need "${LATHE_PACKAGES[@]}"

echo "== building (build/release/build.log)"
mkdir -p build/release demo
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
if ! { cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" && cmake --build build/release --target lathe; } >build/release/build.log 2>&1; then
  tail -n 40 build/release/build.log >&2
  echo "lathe: the build failed; the whole log is build/release/build.log" >&2
  exit 1
fi
lathe=build/release/lathe
echo "   built in $((SECONDS - started)) s"

if /usr/bin/env python3 scripts/movie_reviews.py demo/reviews.tsv; then
  data=demo/reviews.tsv
  sentences=("An utterly charming film with wonderful performances." "The plot is thin, the jokes are stale and it never ends." "Not the masterpiece it wants to be, but well worth watching.")
else
  echo "== no movie reviews (is there a network?): using data that lathe makes itself, ListOps"
  data=demo/listops.tsv
  "$lathe" generate listops --rows 8000 --seed 1 --out "$data" --force
  sentences=("[MAX 2 9 [MIN 4 7 ] 0 ]" "[SM 1 2 3 4 ]" "[MED 1 5 8 ]")
fi

echo "== searching"
out=()
[ $# -eq 0 ] || out=(--out "$1")
search_started=$SECONDS
"$lathe" search "$data" -c examples/demo.toml "${out[@]}" | tee demo/search.txt
echo "== searched, retrained and tested in $((SECONDS - search_started)) s"

run=$(sed -n 's/^files *\([^ ,]*\)\/report.html.*/\1/p' demo/search.txt)
echo "== what the model says"
"$lathe" predict "$run/model" "${sentences[@]}"
echo "== done in $((SECONDS - started)) s; the report is $run/report.html, the model is in $run/model"
echo "   the command: export PATH=\"$PWD/build/release:\$PATH\""
