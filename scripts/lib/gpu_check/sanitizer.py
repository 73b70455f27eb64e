"""compute-sanitizer's four tools on a short selection."""
import re

from . import gtest_log, machine

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
# How the tool says that it cannot work here, as opposed to what it says of the program.
_REFUSALS = re.compile(
    r"device (is )?not supported|not supported on this|unsupported (device|driver|platform)|"
    r"unable to (find|load|initialize|connect)|failed to (initialize|load|launch)|insufficient (driver|permission)|"
    r"permission denied|operation not permitted|internal sanitizer error|terminated before first instrumented|"
    r"no such tool|unknown (tool|option)", re.I)


def errors_in(text):
    """Errors that the tool counted or, where it did not come to its summary, showed; warnings do not count."""
    counts = [int(n) for n in re.findall(r"^=+ ERROR SUMMARY: (\d+) error", text, re.M)]
    counts += [int(n) for n in re.findall(r"RACECHECK SUMMARY: .*\((\d+) error", text)]
    shown = re.findall(r"^=+ (?:Invalid|Error: |Race reported|Uninitialized|Barrier error|Program hit)", text, re.M)
    return max(counts) if counts else len(shown)


def has_summary(text):
    return re.search(r"^=+ (ERROR|RACECHECK) SUMMARY:", text, re.M) is not None


def refusal_in(text):
    """The line by which the tool refuses, or None. It means something only where nothing ran: programs have such errors
    of their own."""
    for line in text.splitlines():
        if line.startswith("=") and _REFUSALS.search(line):
            return line.strip("= ").strip()
    return None


def _selection(check):
    """What runs under the tools: small cases of all kernels, or else the quick validation."""
    for test in check.device_entries()[0]:
        return test.name, test.command, {"FUSELAGE_CASES": "small"}
    return "fuselage validate", [check.build.program, "validate", "--quick", "--device", check.device], {}


def run(check):
    tool_path = check.sanitizer_path or machine.toolkit_program("compute-sanitizer")
    if check.device == "emulated" and not check.sanitizer_path:
        return _skip_all(check, "compute-sanitizer is for NVIDIA's devices")
    if not tool_path:
        return _skip_all(check, "compute-sanitizer is neither on PATH nor in the toolkit's folders")
    name, command, environment = _selection(check)
    cut_off, skipped = False, 0
    for index, tool in enumerate(TOOLS):
        entry = {"tool": tool, "program": name, "errors": 0, "seconds": 0}
        check.result["sanitizer"].append(entry)
        if check.out_of_time():
            entry.update(status="left out", reason="the time of its step was over")
            check.leave_out("compute-sanitizer " + tool, entry["reason"])
            cut_off = True
            continue
        share = None if check.left() is None else check.left() / (len(TOOLS) - index)
        outcome = check.execute("compute-sanitizer " + tool,
                                [tool_path, "--tool", tool, "--error-exitcode", "99", "--print-limit", "20"] + command,
                                share, environment)
        text = outcome.out + "\n" + outcome.err
        errors = errors_in(text)
        cases = sum(case.status == "passed" for case in gtest_log.cases_of(outcome.out))
        refusal = refusal_in(text) if not cases else None
        entry.update(errors=errors, seconds=round(outcome.seconds, 3), cases=cases)
        if (errors or outcome.code == 99) and not refusal:
            entry["status"] = "failed"
            lines = [line for line in text.splitlines() if line.startswith("=====")]
            check.fail("compute-sanitizer " + tool, "%d errors in %s" % (errors, name), lines[:12])
        elif refusal or outcome.code is None:
            entry.update(status="skipped", reason=refusal or outcome.explain())
            check.leave_out("compute-sanitizer " + tool, "it refuses: " + entry["reason"])
            skipped += 1
        elif outcome.timed_out:
            entry.update(status="cut off", reason="no error in %.0f s and %d cases" % (outcome.seconds, entry["cases"]))
            check.leave_out("the rest of compute-sanitizer " + tool, "cut off: " + entry["reason"])
            cut_off = True
        elif not outcome.good:
            entry.update(status="failed", reason="%s ended badly under it: %s" % (name, outcome.explain()))
            check.fail("compute-sanitizer " + tool, entry["reason"], outcome.last_lines())
        elif not has_summary(text):
            entry.update(status="failed", reason="it printed no summary")
            check.fail("compute-sanitizer " + tool, entry["reason"], outcome.last_lines())
        else:
            entry["status"] = "passed"
        check.on_change()
    return "cut off" if cut_off else "skipped" if skipped == len(TOOLS) else None


def _skip_all(check, reason):
    for tool in TOOLS:
        check.result["sanitizer"].append({"tool": tool, "status": "skipped", "errors": 0, "reason": reason})
    check.leave_out("compute-sanitizer", reason)
    return "skipped"
