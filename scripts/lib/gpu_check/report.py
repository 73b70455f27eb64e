"""Results as JSON and as Markdown."""
import json
import os
import re

TITLES = {"passed": "passed", "failed": "FAILED", "skipped": "skipped", "cut off": "cut off", "left out": "left out"}


def slug(name):
    """"NVIDIA H200" -> "h200"."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return re.sub(r"^nvidia-", "", text) or "unknown"


def write_file(path, text):
    """A reader sees the old file or the new one, never half of one."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def write(result, folder):
    """Writes <date>-<gpu>.json and .md; gives back their paths."""
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, "%s-%s" % (result["date"], slug(result["gpu"].get("name", "no-gpu"))))
    write_file(base + ".json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    write_file(base + ".md", markdown(result))
    return base + ".json", base + ".md"


def _cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows] + [""]


def summary(result):
    """One line: how much passed, failed, was skipped and left out."""
    tests, bits = result["tests"], result["bits"]
    rows = bits["validation"]
    return ("%d passed, %d failed, %d skipped; bits: %d of %d entries and %d of %d validations agree; %d failures; "
            "%d left out") % (
        tests["passed"], tests["failed"], tests["skipped"], bits["agree"], bits["agree"] + bits["differ"],
        sum(row["agrees"] for row in rows), len(rows), len(result["failures"]), len(result["left_out"]))


def markdown(result):
    gpu, cuda = result["gpu"], result["doctor"].get("cuda", {})
    lines = ["# %s, %s" % (gpu.get("name", "No GPU"), result["date"]), "",
             "`%s` at commit %s, on %s with %s processors, %s." % (
                 result["command"], result["commit"], result["host"]["processor"], result["host"]["processors"],
                 result["host"]["system"]), "",
             "Driver %s; built with CUDA %s for %s; CUDA %s here." % (
                 gpu.get("driver_version", "none"), result["toolkit"]["built_with"] or "unknown",
                 ", ".join(cuda.get("architectures", [])) or "nothing", result["toolkit"]["here"] or "unknown"), "",
             "**%s**: %s." % ({None: "Not finished", True: "Passed", False: "FAILED"}[result["passed"]],
                              summary(result)), ""]
    lines += _table(["step", "result", "seconds"],
                    [[s["name"], s["status"], "%.1f" % s.get("seconds", 0)] for s in result["steps"]])
    if result["failures"]:
        lines += ["## Failures", ""] + _table(["what", "why"], [[f["what"], f["why"]] for f in result["failures"]])
    bits = result["bits"]
    if bits["entries"]:
        lines += ["## Bits against the CPU's and the pinned ones", ""]
        lines += _table(["entry", "result"], [[e["name"], "same bits" if e["status"] == "passed" else e["status"]]
                                              for e in bits["entries"]])
    if bits["validation"]:
        lines += ["## Validation", "", "Backends: %s." % ", ".join(bits.get("validation_backends", [])), ""]
        lines += _table(["", "", "type", "cases", "bits", "value ulp", "gradient ulp"],
                        [[r["family"], r["name"], r["dtype"], r["cases"], "same" if r["agrees"] else "DIFFER",
                          _ulp(r["value_ulp"]), _ulp(r["gradient_ulp"])] for r in bits["validation"]])
    if result["sanitizer"]:
        lines += ["## compute-sanitizer", ""]
        lines += _table(["tool", "result", "errors", "program", "note"],
                        [[s["tool"], s["status"], s["errors"], s.get("program", ""), s.get("reason", "")]
                         for s in result["sanitizer"]])
    lines += _benchmarks(result["benchmarks"])
    if result["left_out"]:
        lines += ["## Left out", ""] + _table(["what", "why"], [[x["what"], x["why"]] for x in result["left_out"]])
    return "\n".join(lines)


def _ulp(value):
    return "not finite" if value is None else "%.2f" % value


def _benchmarks(benchmarks):
    lines = []
    for name, bench in sorted(benchmarks.items(), key=lambda item: item[0] != "fuselage bench"):
        lines += ["## %s" % name, ""]
        if name == "fuselage bench":
            lines += ["%s. A plain copy reached %.1f GB/s in the same run. Medians; GB/s are of the bytes that a pass "
                      "must read and write at least once." % (bench["description"], bench["copy_gb_per_s"]), ""]
            lines += _table(["", "", "type", "shape", "median us", "GB/s", "of copy", "bits"],
                            [[r["family"], r["name"], r["dtype"], r["shape"], "%.1f" % (r["seconds"] * 1e6),
                              "%.1f" % r["gb_per_s"], "%.0f %%" % r["percent_of_copy"],
                              "same" if r.get("same_bits_as_cpu", True) else "DIFFER"] for r in bench["rows"]])
        else:
            lines += _table(["benchmark", "median us", "GB/s"],
                            [[r["name"], "%.2f" % r["microseconds"], "%.1f" % r["gb_per_s"]] for r in bench["rows"]])
    return lines
