#!/bin/sh
# Compiles a .cu file as it is told to, and keeps what the compiler wrote and said on the way for check.sh:
# FOLDER/NAME.ARCH.ptx and FOLDER/NAME.said. Where a cache had the object, there is nothing to keep.
# usage: keep.sh FOLDER COMPILER FLAGS... -o OBJECT FILE, in any order after the compiler
set -eu
folder=$1
shift
name=$(for word; do case $word in *.cu) basename "$word" .cu ;; esac; done | tail -n 1)
[ -n "$name" ] || exec "$@"
work=$folder/$name.kept
rm -rf "$work" "$folder/$name".*.ptx "$folder/$name.said"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
status=0
"$@" -Xptxas -v --keep --keep-dir "$work" 2> "$work/stderr" || status=$?
said='^ptxas info|bytes stack frame'
grep -Ev "$said" "$work/stderr" >&2 || true
[ $status = 0 ] || exit $status
grep -E "$said" "$work/stderr" > "$folder/$name.said" || true
for ptx in "$work"/*.ptx; do
  [ -f "$ptx" ] || break
  mv "$ptx" "$folder/$name.$(sed -n 's/^\.target \([a-z0-9_]*\).*/\1/p' "$ptx").ptx"
done
