# Shared by scripts/quickstart, scripts/test and scripts/fuselage: packages, what CUDA there is, configure, build.
# Sourced by bash with `set -euo pipefail`. Everything said here goes to stderr; long output goes to build/log/.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
logs=$root/build/log
release=$root/build/release
mkdir -p "$logs"
jobs=$(nproc)

packages=(g++ cmake ninja-build libgtest-dev libbenchmark-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  libfmt-dev zlib1g-dev libdnnl-dev libhwy-dev dataset-fashion-mnist)

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# quietly NAME COMMAND...: output to build/log/NAME.log; on failure the first errors, the last lines and the path.
quietly() {
  local log=$logs/$1.log status=0
  shift
  "$@" > "$log" 2>&1 < /dev/null || status=$?
  [ "$status" -eq 0 ] && return 0
  say "failed (exit code $status): $*"
  { grep -m 5 -E 'error:|Error:|FAILED' "$log" || true; echo ...; tail -n 20 "$log"; } | cut -c 1-300 | sed 's/^/  | /' >&2
  say "the whole output: $log"
  return "$status"
}

# need_packages PACKAGE...: installs those that are missing, as root or with sudo.
need_packages() {
  local missing=() package
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    say "No apt here. Needed, under the names they have in Debian 12 and Ubuntu 24.04: $*"
    return 0
  fi
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal sudo can only work where it asks for no password.
    if command -v sudo > /dev/null && { [ -t 0 ] || sudo -n true 2> /dev/null; }; then
      as_root=(sudo)
    else
      say "Packages are missing, and this needs root to install them. Run:"
      die "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    fi
  fi
  say "Installing from the distribution's packages: ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -q)
  quietly apt-update "${as_root[@]}" update || say "apt-get update failed; going on with the package lists that are here"
  quietly apt-install "${as_root[@]}" install -y --no-install-recommends "${missing[@]}"
}

# Sets nvcc (path or empty), nvcc_version, gpu (name or empty).
look_for_cuda() {
  local candidate
  nvcc='' nvcc_version='' gpu=''
  for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" \
    "${CUDA_PATH:+$CUDA_PATH/bin/nvcc}" /usr/local/cuda/bin/nvcc; do
    if [ -n "$candidate" ] && nvcc_version=$("$candidate" --version 2> /dev/null | sed -n 's/.*, V\([0-9.]*\).*/\1/p') &&
      [ -n "$nvcc_version" ]; then
      nvcc=$candidate
      break
    fi
  done
  if command -v nvidia-smi > /dev/null; then
    gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null | head -n 1 || true)
  fi
}

# One line: what was found, what is used instead, what to install.
explain_cuda() {
  local toolkit="the CUDA toolkit 12.4 or later (package cuda-toolkit of NVIDIA's repository)"
  if [ -n "$nvcc" ] && [ -n "$gpu" ]; then
    say "CUDA: $gpu and nvcc $nvcc_version found; the CUDA backend is built after the CPU's."
  elif [ -n "$nvcc" ]; then
    say "CUDA: nvcc $nvcc_version found but no GPU answers; the CPU is used instead; to use a GPU install NVIDIA's driver."
  elif [ -n "$gpu" ]; then
    say "CUDA: $gpu found but no nvcc; the CPU is used instead; to use the GPU install $toolkit."
  else
    say "CUDA: no GPU and no nvcc found; the CPU is used instead; to use a GPU install NVIDIA's driver and $toolkit."
  fi
}

# One build at a time in a build folder; later callers wait.
lock() {
  mkdir -p "$release"
  exec 9> "$release/.lock"
  flock 9
}
unlock() { exec 9>&-; }

cached() { sed -n "s/^$1:[A-Z]*=//p" "$release/CMakeCache.txt" 2> /dev/null || true; }

# configure ON|OFF|AUTO: CUDA or not; does nothing where that is how the folder stands.
configure() {
  [ "$(cached FUSELAGE_CUDA)" = "$1" ] && [ -f "$release/build.ninja" ] && return 0
  local options=(-DCMAKE_BUILD_TYPE=Release -DFUSELAGE_CUDA="$1")
  # Without a GPU the code is compiled to see that it compiles: one architecture is enough.
  if [ "$1" != OFF ] && [ -z "$gpu" ] && [ -z "${CUDAARCHS:-}" ]; then
    options+=(-DCMAKE_CUDA_ARCHITECTURES=90-real)
  fi
  [ "$1" = OFF ] || [ -z "$nvcc" ] || options+=(-DCMAKE_CUDA_COMPILER="$nvcc")
  if ! quietly configure cmake -S "$root" -B "$release" -G Ninja "${options[@]}"; then
    rm -f "$release/CMakeCache.txt"
    return 1
  fi
}

build() { quietly build ninja -C "$release" -j "$jobs" "$@"; }

# The program with the CPU backend: usable before anything of CUDA is compiled.
build_cpu_program() {
  if [ "$(cached FUSELAGE_CUDA)" = AUTO ]; then
    build fuselage_cli && return 0
    say "Trying again without CUDA."
  fi
  configure OFF
  build fuselage_cli
}

# The program with both backends where nvcc is there; where that fails, the CPU's alone stays usable.
build_cuda_program() {
  [ -n "$nvcc" ] || return 0
  if [ "$(cached FUSELAGE_CUDA)" != AUTO ]; then say "Building the CUDA backend as well."; fi
  configure AUTO && build fuselage_cli && return 0
  say "CUDA: the CUDA backend does not build with $nvcc ($nvcc_version); the CPU is used instead; see the log above."
  configure OFF
  build fuselage_cli
}
