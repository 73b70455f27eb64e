#!/bin/sh
# Fails where an object compiled for an instruction set of its own defines a weak symbol outside its own namespace (ours, or the one that
# Highway gives the set; both stand in the names of templates made for the set's vectors).
# The linker keeps one copy of such a function for the whole program: compiled with AVX-512 it would run on every machine.
# usage: check_weak_symbols.sh NM OBJECT...   (the objects' names say the set: target_avx2*.o, target_avx512*.o)
set -eu
nm=$1
shift
checked=0 bad=0
for object in "$@"; do
  case ${object##*/} in
    target_avx2*) own='fuselage::cpu::avx2::|::N_AVX2::' ;;
    target_avx512*) own='fuselage::cpu::avx512::|::N_AVX3(_[A-Z0-9]+)?::' ;;
    *) continue ;;
  esac
  checked=$((checked + 1))
  # Type descriptions and the pointer to the exception handler are data without code.
  found=$("$nm" -C --defined-only "$object" | grep -E '^[0-9a-f]+ [WVu] ' | grep -vE "$own" |
    grep -vE ' V (typeinfo (name )?for |DW\.ref\.)' || true)
  if [ -n "$found" ]; then
    echo "${object##*/} defines weak symbols outside $own" >&2
    echo "$found" | head -n 40 >&2
    bad=1
  fi
done
if [ "$checked" -eq 0 ]; then
  echo "SKIPPED: this build has no object with an instruction set of its own"
  exit 77
fi
echo "$checked objects checked"
exit "$bad"
