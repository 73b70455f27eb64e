#!/bin/sh
# Trains one epoch of an example's run file with the program; skipped where its data files are not on this machine.
# usage: run_file_example.sh PROGRAM RUN.toml OUTPUT_FOLDER
set -eu
program=$1 run=$2 out=$3
for file in $(sed -n 's/^[^#]*= *"\(\/[^"]*\)".*/\1/p' "$run"); do
  if [ ! -e "$file" ]; then
    echo "SKIPPED: $file is not here (in Debian and Ubuntu: package dataset-fashion-mnist)"
    exit 77
  fi
done
rm -rf "$out"
"$program" train "$run" train.epochs=1 "train.out=\"$out\""
test -n "$(ls -A "$out")" || { echo "the run left nothing in $out" >&2; exit 1; }
