# Sourced by demo.sh and test.sh: installs the Debian packages that are missing, or says the one command that would.
# Usage: lathe_need <package>…

lathe_missing() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || printf '%s ' "$package"
  done
}

lathe_need() {
  local missing root=()
  missing=$(lathe_missing "$@")
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "lathe: this is not a Debian system; install the equivalents of: $missing" >&2
    exit 2
  fi
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      root=(sudo -n)
    else
      echo "lathe: missing packages; as root, run:  apt-get update && apt-get install -y --no-install-recommends $missing" >&2
      exit 2
    fi
  fi
  echo "== installing: $missing"
  # shellcheck disable=SC2086
  if ! { DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get -qq update &&
         DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get -qq install -y --no-install-recommends $missing; } >"${TMPDIR:-/tmp}/lathe-apt.log" 2>&1; then
    tail -n 5 "${TMPDIR:-/tmp}/lathe-apt.log" >&2
    echo "lathe: could not install: $missing" >&2
    exit 3
  fi
}

# What building and running need; test.sh adds what only tests need.
LATHE_PACKAGES=(g++ cmake ninja-build nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libutf8proc-dev libsqlite3-dev python3 python3-pip)
