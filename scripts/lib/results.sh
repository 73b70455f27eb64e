# Counting for scripts/test: checks of its own, and what ctest and GoogleTest wrote. Sourced after setup.sh.
passed=0 failed=0 skipped=0

# check NAME COMMAND...: one check, by its exit code, which it also returns.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    say "FAILED $name"
    printf '%s\n' "$output" | tail -n 60 | sed 's/^/  /' >&2
    return 1
  fi
}

# Sanitizers leave kernels alone: those of the release build are linked.
build_sanitizers() {
  quietly configure-sanitizers cmake -S "$root" -B "$asan" --preset asan -D "FUSELAGE_EMULATED_KERNELS=$release" &&
    quietly build-sanitizers ninja -C "$asan" -j "$jobs" -k 20 sanitizer_tests
}

# run_ctest NAME FOLDER ARGUMENT...: runs ctest and adds what it counted.
run_ctest() {
  local name=$1 folder=$2 counts
  shift 2
  [ -f "$folder/CTestTestfile.cmake" ] || return 0
  rm -rf "$folder/test-results"
  mkdir -p "$folder/test-results"
  ctest --test-dir "$folder" -j "$jobs" --output-on-failure --output-junit "$folder/test-results/ctest.junit" "$@" \
    > "$logs/$name.log" 2>&1 < /dev/null || true
  if [ ! -f "$folder/test-results/ctest.junit" ]; then
    failed=$((failed + 1))
    say "FAILED ctest itself:"
    tail -n 20 "$logs/$name.log" >&2
    return 0
  fi
  counts=$(count_results "$folder/test-results" "$name")
  read -r p f s <<< "$counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  if [ "$f" -ne 0 ]; then say "the whole output: $logs/$name.log"; fi
}

# count_results FOLDER NAME: prints `passed failed skipped`; failures and the reasons of skips go to stderr.
# An executable of GoogleTest wrote FOLDER/<executable>.xml; every other entry of ctest counts as one.
count_results() {
  local folder=$1 name=$2 reports=()
  while IFS= read -r -d '' file; do reports+=("$file"); done < <(find "$folder" -name '*.xml' -print0 | sort -z)
  awk -v folder="$folder/" '
    function attribute(name) {
      if (!match($0, "[ <]" name "=\"[^\"]*\"")) return ""
      return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
    }
    function plain(text) {
      gsub(/&#x0A;/, " ", text); gsub(/&quot;/, "\"", text); gsub(/&apos;/, "\x27", text)
      gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&amp;/, "\\&", text)
      return substr(text, 1, 400)
    }
    function skip(who, why) { ++skipped; ++skips["  skipped " who ": " why] }
    function fail(who, why) { ++failed; print "FAILED " who ": " why > "/dev/stderr" }
    # One entry of ctest is complete: settle it, unless its own report counts its cases.
    function settle() {
      if (entry == "") return
      if (entry in has_report) {
        if (status == "fail" && !case_failed[entry]) fail(entry, "ended badly although no case failed")
      } else if (was_skipped) skip(entry, reason == "" ? "no reason given" : reason)
      else if (status == "run") ++passed
      else {
        fail(entry, reason == "" ? "its last lines:" : reason)
        for (i = lines > 12 ? lines - 11 : 1; i <= lines; ++i) print "  | " substr(plain(line_of[i]), 1, 200) > "/dev/stderr"
      }
      entry = ""
    }
    FNR == 1 {
      report = ""
      if (FILENAME !~ /ctest\.junit$/) {
        report = FILENAME
        sub(/.*\//, "", report); sub(/\.xml$/, "", report)
        has_report[report] = 1
      }
    }
    report != "" && /<testcase / {
      test = attribute("classname") "." attribute("name")
      if (attribute("status") == "notrun") skip(report, "disabled: " test)
      else if (attribute("result") == "skipped") pending_skip = test
      else if (/\/>[[:space:]]*$/) ++passed
      else current = test
      next
    }
    report != "" && /<skipped/ && pending_skip != "" {
      why = attribute("message")
      sub(/^[^&]*:[0-9]+&#x0A;/, "", why)
      skip(report, plain(why)); pending_skip = ""
      next
    }
    report != "" && /<failure / && current != "" {
      ++case_failed[report]
      fail(report " " current, plain(attribute("message")))
      current = ""
    }
    report != "" && /<\/testcase>/ {
      if (current != "" ) { ++passed; current = "" }  # properties, no failure
      if (pending_skip != "") { skip(report, pending_skip); pending_skip = "" }
    }
    report == "" && /<testcase / {
      settle()
      entry = attribute("name"); status = attribute("status"); reason = ""; was_skipped = 0; lines = 0
      next
    }
    report == "" && entry != "" && /<skipped/ {
      # Whatever ctest itself could not run (no such executable) is no skip of ours.
      if (attribute("message") ~ /^SKIP_/) was_skipped = 1
      else reason = plain(attribute("message"))
    }
    report == "" && entry != "" && /<failure/ { reason = plain(attribute("message")) }
    report == "" && entry != "" && /SKIPPED: / && !(entry in has_report) { why = $0; sub(/.*SKIPPED: /, "", why); reason = plain(why) }
    report == "" && entry != "" && !/^[[:space:]]*<\/?(failure|skipped|testcase|testsuite)/ {
      text = $0
      gsub(/<\/?system-out>/, "", text)
      if (text !~ /^[[:space:]]*$/) line_of[++lines] = text
    }
    END {
      settle()
      for (line in skips) print line (skips[line] > 1 ? " (" skips[line] " cases)" : "") | "sort >&2"
      close("sort >&2")
      print passed + 0, failed + 0, skipped + 0
    }' "${reports[@]}" "$folder/ctest.junit"
}

finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}
