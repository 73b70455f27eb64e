#!/bin/sh
# Installs the build to a fresh prefix, builds a C++-only project outside the tree against it, and runs it.
# usage: check.sh BUILD_DIR CONSUMER_SOURCE_DIR WORK_DIR CXX [NVCC]
set -eu
build=$1 source=$2 work=$3 cxx=$4 nvcc=${5:-}
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/prefix" > "$work/install.log"

# fuselage/cuda/ is for users' own .cu files; nothing else that is installed may want more than the standard library.
if grep -rnE '#[[:space:]]*include[[:space:]]*[<"](cuda|cub/|thrust/|nlohmann|toml|fmt/|hwy/|dnnl|omp\.h)' \
    "$work/prefix/include" | grep -v '/include/fuselage/cuda/'; then
  echo "the public headers above include more than the standard library" >&2
  exit 1
fi

# CUDACXX: a consumer must not need a CUDA compiler, so one that fails is in its way.
CUDACXX=/bin/false cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" \
  -DEXAMPLES="$source/../../examples" \
  > "$work/configure.log" 2>&1 || { cat "$work/configure.log" >&2; exit 1; }
cmake --build "$work/build" > "$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
if ninja -C "$work/build" -t deps | grep -E '/(cuda|cccl|nvcc)[^/]*/|cuda_runtime'; then
  echo "the consumer was built with the CUDA headers above" >&2
  exit 1
fi
"$work/build/consumer" "$work/array.npy"
"$work/build/custom_loss"
test ! -x "$work/prefix/bin/fuselage" || "$work/prefix/bin/fuselage" --help > "$work/help.txt"

# Without the CUDA backend nvcc is told so; the C++ compiler stands in for it, which sees the same headers.
if ! test -d "$work/prefix/include/fuselage/cuda/kernels"; then
  if "$cxx" -std=c++20 -fsyntax-only -D__CUDACC__ -D__host__= -D__device__= -D__forceinline__= -I "$work/prefix/include" \
      "$source/../../examples/custom_loss/main.cpp" 2> "$work/without_cuda.log"; then
    echo "a custom loss for nvcc compiles against a package without kernels" >&2
    exit 1
  fi
  grep -q 'error: .*installed without its CUDA backend' "$work/without_cuda.log" || { cat "$work/without_cuda.log" >&2; exit 1; }
fi

# With nvcc: the installed kernels' headers are all that a loss of one's own needs, and the package brings the flags.
test -n "$nvcc" || exit 0
CUDACXX="$nvcc" cmake -S "$source/cuda" -B "$work/cuda" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CUDA_ARCHITECTURES=80-real -DEXAMPLES="$source/../../examples" \
  > "$work/cuda.log" 2>&1 || { cat "$work/cuda.log" >&2; exit 1; }
cmake --build "$work/cuda" >> "$work/cuda.log" 2>&1 || { cat "$work/cuda.log" >&2; exit 1; }
"$work/cuda/custom_loss"
