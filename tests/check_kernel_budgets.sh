#!/bin/sh
# Compiles one .cu file for sm_90 and compares what ptxas used with the budgets that stand in the file:
#   // budget: <part of the kernel's name> registers<=64 spills=0
# Every kernel must match a line (the longest name wins); registers per thread, spills in bytes stored and loaded.
# usage: check_kernel_budgets.sh NVCC ROOT FILE FLAGS...
set -eu
nvcc=$1 root=$2 file=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$nvcc" "$@" -I "$root" -I "$root/include" -cubin -arch=sm_90 -Xptxas -v -o "$work/out.cubin" "$file" \
  > "$work/ptxas" 2>&1 || { cat "$work/ptxas" >&2; exit 1; }
grep -E '^[[:space:]]*// budget:' "$file" > "$work/budgets" || true
# awk alone would have to demangle: the names are replaced first.
if command -v c++filt > /dev/null; then c++filt < "$work/ptxas" > "$work/report"; else cp "$work/ptxas" "$work/report"; fi
awk -v file="${file##*/}" '
  FILENAME == ARGV[1] {
    line = $0
    sub(/^[[:space:]]*\/\/ budget:[[:space:]]*/, "", line)
    count = split(line, word, /[[:space:]]+/)
    registers = spills = ""
    for (i = 2; i <= count; ++i) {
      if (word[i] ~ /^registers<=[0-9]+$/) registers = substr(word[i], 12)
      if (word[i] ~ /^spills=[0-9]+$/) spills = substr(word[i], 8)
    }
    if (registers == "" || spills == "") {
      breach[++bad] = sprintf("%s: a budget reads `// budget: NAME registers<=N spills=N`, not: %s", file, $0)
      next
    }
    max_registers[word[1]] = registers + 0
    max_spills[word[1]] = spills + 0
    next
  }
  /Compiling entry function/ {
    kernel = $0
    sub(/.*Compiling entry function ./, "", kernel)
    sub(/. for .sm_[0-9a-z]*.*/, "", kernel)
    spilled = 0
  }
  kernel != "" && /bytes spill stores/ {
    match($0, /[0-9]+ bytes spill stores/); spilled = substr($0, RSTART) + 0
    match($0, /[0-9]+ bytes spill loads/); spilled += substr($0, RSTART) + 0
  }
  kernel != "" && /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); used = substr($0, RSTART + 5) + 0
    ++kernels
    budget = ""
    for (name in max_registers) if (index(kernel, name) && length(name) > length(budget)) budget = name
    if (budget == "") verdict = "NO BUDGET"
    else if (used > max_registers[budget]) verdict = "OVER: registers<=" max_registers[budget]
    else if (spilled > max_spills[budget]) verdict = "OVER: spills=" max_spills[budget]
    else verdict = "ok"
    if (budget != "") hit[budget] = 1
    line = sprintf("%-20s registers %3d spills %4d  %s", verdict, used, spilled, substr(kernel, 1, 300))
    if (verdict == "ok") print line
    else breach[++bad] = line  # told last, where a reader looks
    kernel = ""
  }
  END {
    for (name in max_registers) if (!(name in hit)) breach[++bad] = "the budget of " name " fits no kernel"
    printf "%s: %d kernels, %d breaches\n", file, kernels, bad
    for (i = 1; i <= bad; ++i) print breach[i]
    exit bad > 0
  }' "$work/budgets" "$work/report"
