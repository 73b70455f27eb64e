#!/bin/sh
# Judges the code of every kernel of one .cu file by what the file promises:
#   // budget: <part of the kernel's name> registers<=64 spills=0     at most so many; every kernel must have one
#   // vectors: <part of the kernel's name> loads>=4 stores>=2        16-byte accesses to global memory, at least
#   // local: <part of the kernel's name> bytes<=64                   a stack frame; without a promise there is none
# The longest name that fits wins (an asterisk stands for anything); a promise that fits no kernel is a breach. In no
# kernel may there be an approximate or flushing instruction, nor an addition or multiplication without a rounding of
# its own, which ptxas could contract. Budgets were set for sm_90: on other architectures registers are free, and spills
# of 32 bytes. What the build kept of that file and architecture (see keep.sh) is read; else the file is compiled.
# usage: check.sh KEPT NVCC ROOT ARCH FILE FLAGS...
set -eu
kept=$1 nvcc=$2 root=$3 arch=$4 file=$5
shift 5
name=$(basename "$file" .cu)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -f "$kept/$name.$arch.ptx" ] && grep -q "for '$arch'" "$kept/$name.said"; then
  from="built"
  ptx=$kept/$name.$arch.ptx
  awk -v arch="for '$arch'" '/Compiling entry function/ { own = index($0, arch) } own' "$kept/$name.said" > "$work/said"
else
  from="compiled here"
  "$nvcc" "$@" -I "$root" -I "$root/include" -cubin -arch="$arch" -Xptxas -v --keep --keep-dir "$work" \
    -o "$work/out.cubin" "$file" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
  ptx=$(echo "$work"/*.ptx)
fi
grep -E '^[[:space:]]*// (budget|vectors|local): ' "$file" > "$work/promises" || true
c++filt < "$ptx" > "$work/listing"
c++filt < "$work/said" > "$work/report"
[ "$arch" = sm_90 ] && registers_count=1 || registers_count=0
awk -v file="${file##*/} ($arch, $from)" -v registers_count="$registers_count" -f "${0%/*}/check.awk" \
  "$work/promises" "$work/listing" "$work/report"
