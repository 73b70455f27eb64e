# Judges the kernels of one source file. Input, in this order: the lines of the source that begin with a promise, the PTX
# (names demangled), what ptxas said (the same). See check.sh for the promises.

function name_of(line) {
  sub(/^[[:space:]]*\/\/ [a-z]+:[[:space:]]*/, "", line)
  sub(/ +(registers<=|loads>=|bytes<=).*/, "", line)
  return line
}
# The number behind `key` in a promise; -1: there is none.
function number_of(line, key) {
  if (!match(line, " " key "[0-9]+( |$)")) return -1
  return substr(line, RSTART + 1 + length(key)) + 0
}
# Whether the parts of the name, between its asterisks, stand in the kernel's in that order.
function fits(kernel, name, parts, count, i, at) {
  count = split(name, parts, "*")
  for (i = 1; i <= count; ++i) {
    at = index(kernel, parts[i])
    if (!at) return 0
    kernel = substr(kernel, at + length(parts[i]))
  }
  return 1
}
# The promise of that kind with the longest name that fits.
function promise_for(kind, kernel, i, best) {
  best = 0
  for (i = 1; i <= promises; ++i)
    if (kinds[i] == kind && fits(kernel, names[i]) && (!best || length(names[i]) > length(names[best]))) best = i
  if (best) kept[best] = 1
  return best
}
function breach(text) { breaches[++bad] = text }

FILENAME == ARGV[1] {
  kind = $2
  name = name_of($0)
  first = number_of($0, kind == "budget:" ? "registers<=" : kind == "vectors:" ? "loads>=" : "bytes<=")
  second = number_of($0, kind == "budget:" ? "spills=" : "stores>=")
  if (name == "" || first < 0 || (kind != "local:" && second < 0)) {
    breach("a promise that cannot be read:" $0)
    next
  }
  kinds[++promises] = kind
  names[promises] = name
  limit[promises] = first
  other[promises] = second
  next
}

FILENAME == ARGV[2] && /\.entry / {
  kernel = $0
  sub(/.*\.entry /, "", kernel)
  sub(/\($/, "", kernel)
  next
}
FILENAME == ARGV[2] && /\.func / { kernel = "a function that was not put in line" }
FILENAME == ARGV[2] && kernel != "" {
  line = $0
  sub(/^[[:space:]]*(@!?%p[0-9]+ )?/, "", line)
  split(line, words, /[[:space:]]/)
  word = words[1]
  if (word == ".local") uses_local[kernel] = 1
  if (word !~ /^[a-z]+[0-9]*[.]/) next
  if (word ~ /[.](v4[.][busf]32|v2[.][busf]64|b128)$/ && word !~ /[.](shared|param|const|local)[.]/) {
    if (word ~ /^ld[.]/) ++loads[kernel]
    if (word ~ /^st[.]/) ++stores[kernel]
  }
  if (word ~ /[.](approx|ftz|full)([.]|$)/) inexact[kernel] = word
  # Without a rounding of their own, ptxas may contract multiplications and additions.
  if (word ~ /^(add|sub|mul|mad)[.].*(f16|f16x2|bf16|bf16x2|f32|f64)$/ && word !~ /[.]r[nzmp][.]/) loose[kernel] = word
  next
}

/Compiling entry function/ {
  kernel = $0
  sub(/.*Compiling entry function ./, "", kernel)
  sub(/. for .sm_[0-9a-z]*.*/, "", kernel)
  spilled = stack = 0
}
/bytes stack frame/ {
  match($0, /[0-9]+ bytes stack frame/); stack = substr($0, RSTART) + 0
  match($0, /[0-9]+ bytes spill stores/); spilled = substr($0, RSTART) + 0
  match($0, /[0-9]+ bytes spill loads/); spilled += substr($0, RSTART) + 0
}
/Used [0-9]+ registers/ {
  match($0, /Used [0-9]+/); used = substr($0, RSTART + 5) + 0
  ++kernels
  wrong = ""
  budget = promise_for("budget:", kernel)
  if (!budget) wrong = wrong ", NO BUDGET"
  else {
    if (registers_count && used > limit[budget]) wrong = wrong ", OVER registers<=" limit[budget]
    if (spilled > other[budget] + (registers_count ? 0 : 32)) wrong = wrong ", OVER spills=" other[budget]
  }
  vectors = promise_for("vectors:", kernel)
  if (vectors && loads[kernel] < limit[vectors]) wrong = wrong ", UNDER loads>=" limit[vectors]
  if (vectors && stores[kernel] < other[vectors]) wrong = wrong ", UNDER stores>=" other[vectors]
  memory = promise_for("local:", kernel)
  if (stack - spilled > (memory ? limit[memory] : 0)) wrong = wrong ", LOCAL MEMORY of " stack " bytes"
  else if (kernel in uses_local && !memory) wrong = wrong ", LOCAL MEMORY"
  if (kernel in inexact) wrong = wrong ", INEXACT " inexact[kernel]
  if (kernel in loose) wrong = wrong ", MAY BE CONTRACTED " loose[kernel]
  line = sprintf("%s: registers %3d spills %4d loads %2d stores %2d  %s", wrong == "" ? "ok" : substr(wrong, 3), used,
                 spilled, loads[kernel], stores[kernel], substr(kernel, 1, 300))
  if (wrong == "") print line
  else breach(line)  # told last, where a reader looks
}

END {
  for (i = 1; i <= promises; ++i)
    if (!(i in kept)) breach("the promise of " names[i] " (" kinds[i] ") fits no kernel")
  name = "a function that was not put in line"
  if (name in inexact) breach(name ": INEXACT " inexact[name])
  if (name in loose) breach(name ": MAY BE CONTRACTED " loose[name])
  printf "%s: %d kernels, %d breaches\n", file, kernels, bad
  for (i = 1; i <= bad; ++i) print breaches[i]
  exit bad > 0
}
