#!/bin/sh
# Compiles one .cu file once and judges the code of every kernel by what the file promises:
#   // budget: <part of the kernel's name> registers<=64 spills=0     at most so many; every kernel must have one
#   // vectors: <part of the kernel's name> loads>=4 stores>=2        16-byte accesses to global memory, at least
#   // local: <part of the kernel's name> bytes<=64                   a stack frame; without a promise there is none
# The longest name that fits wins (an asterisk stands for anything); a promise that fits no kernel is a breach. In no kernel may there be an approximate or
# flushing instruction, nor an addition or multiplication without a rounding of its own, which ptxas could contract.
# Budgets were set for sm_90: on other architectures registers are free, and spills of 32 bytes.
# usage: check.sh NVCC ROOT ARCH FILE FLAGS...
set -eu
nvcc=$1 root=$2 arch=$3 file=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$nvcc" "$@" -I "$root" -I "$root/include" -cubin -arch="$arch" -Xptxas -v --keep --keep-dir "$work" \
  -o "$work/out.cubin" "$file" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
grep -E '^[[:space:]]*// (budget|vectors|local): ' "$file" > "$work/promises" || true
cat "$work"/*.ptx | c++filt > "$work/ptx"
c++filt < "$work/said" > "$work/report"
[ "$arch" = sm_90 ] && registers_count=1 || registers_count=0
awk -v file="${file##*/} ($arch)" -v registers_count="$registers_count" -f "${0%/*}/check.awk" \
  "$work/promises" "$work/ptx" "$work/report"
