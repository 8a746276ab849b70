# Sourced by demo.sh and test.sh: installs the Debian packages that are missing, or says the one command that would.
# Usage: lathe_need <package>…

lathe_missing() {
  local package
  for package in $(printf '%s\n' "$@" | sort -u); do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || printf '%s ' "$package"
  done
}

lathe_need() {
  local missing root=() log
  if ! command -v apt-get >/dev/null; then
    if ! { command -v c++ && command -v cmake && command -v ninja && command -v python3; } >/dev/null; then
      echo "lathe: this is not a Debian system; install the equivalents of: $*" >&2
      exit 2
    fi
    return 0  # the build says what else it lacks
  fi
  missing=$(lathe_missing "$@")
  missing=${missing% }
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      root=(sudo -n)
    else
      echo "lathe: missing packages; as root, run:  apt-get update && apt-get install -y --no-install-recommends $missing" >&2
      exit 2
    fi
  fi
  echo "== installing: $missing"
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { "${root[@]}" apt-get -q update &&
         "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "lathe: could not install: $missing (is there a network? the whole log is $log)" >&2
    exit 3
  fi
  rm -f "$log"
}

# What building and running need; test.sh adds what only tests need.
LATHE_PACKAGES=(g++ cmake ninja-build nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libutf8proc-dev libsqlite3-dev libpq-dev python3 python3-pip)
