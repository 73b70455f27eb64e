"""The check of one build on one machine: its steps, in the order of what they tell."""
import concurrent.futures
import json
import os
import re
import threading
import time

from . import gtest_log, machine, process, sanitizer

# name, weight of its share of the time limit
STEPS = [("device", 4), ("bits", 25), ("device tests", 20), ("sanitizer", 20), ("benchmarks", 21), ("other tests", 10)]
VALIDATED = ("family", "name", "dtype", "cases", "agrees", "disagreement", "value_ulp", "gradient_ulp", "passed")
ESSENTIAL = ("device", "bits", "device tests")


class Check:
    def __init__(self, build, device, clock, logs, say, on_change, sanitizer_path=None, jobs=None):
        self.build, self.device, self.clock, self.logs, self.say = build, device, clock, logs, say
        self.on_change, self.sanitizer_path, self.jobs = on_change, sanitizer_path, jobs or os.cpu_count() or 1
        self.environment = build.environment()
        self.result = {"passed": None, "finished": False, "steps": [], "gpu": {}, "doctor": {}, "failures": [],
                       "left_out": [], "tests": {"passed": 0, "failed": 0, "skipped": 0, "executables": []},
                       "bits": {"agree": 0, "differ": 0, "entries": [], "validation": []}, "sanitizer": [],
                       "benchmarks": {}}
        self.until = None  # of the running step, by time.monotonic()
        self.lock = threading.RLock()  # of the results: other tests run several at a time

    # ---- frame ----

    def run(self, chosen):
        """Runs the chosen steps; stops early where there is no device."""
        actions = {"device": self.describe_device, "bits": self.check_bits, "device tests": self.run_device_tests,
                   "sanitizer": lambda: sanitizer.run(self), "benchmarks": self.run_benchmarks,
                   "other tests": self.run_other_tests}
        for index, (name, weight) in enumerate(STEPS):
            if name not in chosen:
                self.leave_out(name, "not asked for")
                continue
            to_come = sum(w for n, w in STEPS[index + 1:] if n in chosen)
            share = self.clock.share(weight, to_come)
            if name == "device" and share is not None:
                share = max(share, min(10.0, self.clock.left()))  # without it nothing else says anything
            if share is not None and share < 1:
                self.leave_out(name, "the time limit left no time for it")
                continue
            self.until = None if share is None else time.monotonic() + share
            self.say("== %s%s" % (name, "" if share is None else " (up to %.0f s)" % share))
            start, failures = time.monotonic(), len(self.result["failures"])
            step = {"name": name, "status": "running", "share_seconds": share}
            self.result["steps"].append(step)
            status = actions[name]() or "done"
            step["status"] = "failed" if len(self.result["failures"]) > failures else status
            step["seconds"] = round(time.monotonic() - start, 3)
            self.on_change()
            if name == "device" and status == "no device":
                for later, _ in STEPS[index + 1:]:
                    self.leave_out(later, "there is no device")
                break

    def left(self):
        """Seconds left of the running step; None: no limit."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    def out_of_time(self):
        return self.until is not None and self.left() < 1

    def fail(self, what, why, lines=()):
        with self.lock:
            self.result["failures"].append({"what": what, "why": why, "lines": list(lines)})
            self.say("FAILED %s: %s" % (what, why))
            for line in lines:
                self.say("  | " + line)

    def leave_out(self, what, why):
        with self.lock:
            self.result["left_out"].append({"what": what, "why": why})
            self.say("left out %s: %s" % (what, why))

    def count(self, executable, counts):
        """Adds what a test program came to."""
        with self.lock:
            for status in ("passed", "failed", "skipped"):
                self.result["tests"][status] += counts.get(status, 0)
            self.result["tests"]["executables"].append(executable)
            self.on_change()

    def log(self, name):
        return os.path.join(self.logs, re.sub(r"[^A-Za-z0-9_.-]+", "_", name))

    def execute(self, name, command, seconds=None, environment=None, folder=None):
        """Runs a program in the running step's time; the environment is the build's."""
        variables = dict(self.environment)
        variables.update(environment or {})
        limit = process.earlier(seconds, self.left())
        return process.run(command, self.log(name), limit, variables, folder or self.logs)

    def program(self, verb, arguments, **more):
        """The program's JSON output and how it ended; None where it printed none."""
        outcome = self.execute("fuselage " + verb, [self.build.program, verb] + arguments + ["--json"], **more)
        try:
            return json.loads(outcome.out), outcome
        except ValueError:
            return None, outcome

    # ---- steps ----

    def describe_device(self):
        """What the device is; everything else needs it."""
        suffix = "_emulated" if self.device == "emulated" else ""
        for name in self.build.device_tests:
            if name.endswith("_sweep_test"):
                self.leave_out(name + suffix, "it takes hours")
            elif name + suffix not in [test.name for test in self.build.tests]:
                self.leave_out(name + suffix, "the build does not have it")
        self.result["gpu"] = {"name": "emulated"} if self.device == "emulated" else machine.gpu()
        if not self.build.program:
            self.fail("device", "the build has no program fuselage")
            return "no device"
        doctor, outcome = self.program("doctor", [], seconds=60)
        if doctor is None:
            self.fail("fuselage doctor", outcome.explain(), outcome.last_lines())
            return "no device"
        self.result["doctor"] = doctor
        self.say("  " + doctor["cuda"]["status"])
        if not doctor["cuda"]["usable"]:
            self.fail("device", doctor["cuda"]["status"])
            return "no device"
        if self.device != "emulated":
            major = doctor["cuda"]["runtime"].split(".")[0]
            folder, tried = machine.cublas_folder(major)
            self.result["cublas"] = {"found": folder is not None, "folder": folder, "tried": tried}
            if folder is None:
                self.leave_out("matrix products on the GPU", "no libcublasLt.so.%s in %s" % (major, ", ".join(tried)))
            elif folder:
                path = [folder, self.environment.get("LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH", ""))]
                self.environment["LD_LIBRARY_PATH"] = os.pathsep.join(p for p in path if p)
        return None

    def device_entries(self):
        """Tests of tests/device, in the form that runs on this device: the tests of bits, the others."""
        suffix = "_emulated" if self.device == "emulated" else ""
        names = [name + suffix for name in self.build.device_tests]
        found = [test for test in self.build.tests if test.name in names and not test.is_slow]
        return [t for t in found if t.name.startswith("bits_")], [t for t in found if not t.name.startswith("bits_")]

    def check_bits(self):
        """Every entry of the lists against the CPU of this machine and against the bits that are pinned."""
        bits = self.result["bits"]
        # The program first: it takes seconds, and names loss, optimizer and element.
        report, outcome = self.program("validate", ["--quick", "--device", "auto"])
        cut_off = outcome.timed_out
        if report is None:
            self.settle("fuselage validate", outcome)
        else:
            bits["validation_backends"] = report["backends"]
            if not any(name.startswith(self.device) for name in report["backends"]):
                self.fail("fuselage validate", "it did not use the device, only %s" % ", ".join(report["backends"]))
            for row in report["rows"]:
                bits["validation"].append({key: row[key] for key in VALIDATED})
                if not row["passed"]:
                    self.fail("validate %s %s %s" % (row["family"], row["name"], row["dtype"]),
                              row["disagreement"] or row["mismatch"] or "outside the error budget: value %s of %s ulp, "
                              "gradient %s of %s" % (row["value_ulp"], row["value_budget"], row["gradient_ulp"],
                                                     row["gradient_budget"]))
            if not report["rows"] or (outcome.code != 0 and report["passed"]):
                self.fail("fuselage validate", outcome.explain())
        for test in self.device_entries()[0]:
            executable, cases = self.run_gtest(test)
            cut_off |= executable["status"] == "cut off"
            for case in cases:
                # All/Bits.AreThoseOfTheCpu/<entry>
                entry = {"name": case.name.split("/")[-1], "case": case.name, "status": case.status}
                if case.status == "failed":
                    entry["what"] = case.text
                bits["entries"].append(entry)
            bits["agree"] += sum(case.status == "passed" for case in cases)
            bits["differ"] += sum(case.status == "failed" for case in cases)
            self.demand_device(test, executable)
        return "cut off" if cut_off else None

    def demand_device(self, test, executable):
        """There is a device, so a test that skips all its cases is wrong about something."""
        if executable["status"] == "passed" and executable["passed"] == 0:
            reasons = dict.fromkeys(skip["reason"] for skip in executable["skips"])
            self.fail(test.name, "no case ran on the device", list(reasons)[:3])

    def run_device_tests(self):
        tests, cut_off = self.device_entries()[1], False
        for test in tests:
            executable, _ = self.run_gtest(test)
            cut_off |= executable["status"] in ("cut off", "left out")
            self.demand_device(test, executable)
        return "cut off" if cut_off else None if tests else "nothing to run"

    def run_other_tests(self):
        """The rest of ctest, several at a time."""
        device_names = [name + suffix for name in self.build.device_tests for suffix in ("", "_emulated", "_checked")]
        rest = []
        for test in self.build.tests:
            if test.name in device_names or {"emulated", "checked"} & set(test.labels):
                continue  # these are for machines without a GPU
            if test.is_slow:
                self.leave_out(test.name, "it takes hours (label slow)")
            elif test.name.startswith("check_gpu"):
                self.leave_out(test.name, "it tests this very script")
            else:
                rest.append(test)
        with concurrent.futures.ThreadPoolExecutor(max(1, self.jobs // 4)) as pool:
            try:
                statuses = list(pool.map(self.run_other, rest))
            except BaseException:
                process.stop_all()  # or else leaving the pool waits for what runs in it
                raise
        return "cut off" if "cut off" in statuses or "left out" in statuses else None

    def run_other(self, test):
        if test.is_gtest:
            return self.run_gtest(test)[0]["status"]
        outcome = None if self.out_of_time() else self.execute(test.name, test.command, test.timeout, test.environment,
                                                               test.folder)
        if outcome is None or (outcome.timed_out and self.out_of_time()):
            self.leave_out(test.name, "the time of its step was over")
            return "left out"
        text = outcome.out + outcome.err
        status = "passed" if outcome.good else "failed"
        if test.skip_code is not None and outcome.code == test.skip_code or "SKIPPED: " in text and outcome.good:
            status = "skipped"
        if status == "failed":
            self.fail(test.name, outcome.explain(), outcome.last_lines())
        executable = {"name": test.name, "status": status, "seconds": round(outcome.seconds, 3)}
        if status == "skipped":
            executable["reason"] = next((line for line in text.splitlines() if "SKIPPED" in line), "no reason given")
        self.count(executable, {status: 1})
        return status

    def run_gtest(self, test):
        """Runs a GoogleTest program and counts its cases; gives back what stands in the results, and the cases."""
        executable = {"name": test.name, "device": test.name.split("_emulated")[0] in self.build.device_tests,
                      "status": "left out", "seconds": 0, "passed": 0, "failed": 0, "skipped": 0, "failures": [],
                      "skips": []}
        if self.out_of_time():
            self.leave_out(test.name, "the time of its step was over")
            return executable, []
        outcome = self.execute(test.name, test.command, test.timeout, test.environment)
        cases = gtest_log.cases_of(outcome.out)
        for case in cases:
            if case.status in ("passed", "failed", "skipped"):
                executable[case.status] += 1
            if case.status == "failed":
                executable["failures"].append({"case": case.name, "message": case.text})
                self.fail("%s %s" % (test.name, case.name), "failed", case.text.splitlines()[:8])
            if case.status == "skipped":
                executable["skips"].append({"case": case.name, "reason": case.text})
        executable["seconds"] = round(outcome.seconds, 3)
        unfinished = [case.name for case in cases if case.status == "unfinished"]
        where = " in %s" % unfinished[-1] if unfinished else ""
        executable["status"] = "failed" if executable["failed"] else "passed"
        if outcome.timed_out and self.out_of_time():
            executable["status"] = "cut off" if not executable["failed"] else "failed"
            self.leave_out(test.name, "cut off after %.0f s%s; %d cases had passed" %
                           (outcome.seconds, where, executable["passed"]))
        elif not executable["failed"] and (not outcome.good or not gtest_log.is_complete(outcome.out)):
            why = "it ended without its summary" if outcome.good else outcome.explain()
            executable["status"], executable["failed"] = "failed", 1
            self.fail(test.name, why + where, outcome.last_lines())
        self.count(executable, executable)
        return executable, cases

    def settle(self, what, outcome):
        """Something without results: cut off by the share of its step, or failed."""
        if outcome.timed_out and self.out_of_time():
            self.leave_out(what, "cut off after %.0f s" % outcome.seconds)
        else:
            self.fail(what, outcome.explain(), outcome.last_lines())

    def run_benchmarks(self):
        cut_off = self.bench_by_program()
        for index, path in enumerate(self.build.benches):
            name = os.path.basename(path)
            left = self.left()
            share = None if left is None else left / (len(self.build.benches) - index)
            if self.out_of_time():
                self.leave_out(name, "the time of its step was over")
                cut_off = True
                continue
            report = self.log(name + ".json")
            command = [path, "--benchmark_filter=^cuda/", "--benchmark_min_time=0.02", "--benchmark_repetitions=3",
                       "--benchmark_report_aggregates_only=true", "--benchmark_out=" + report,
                       "--benchmark_out_format=json"]
            outcome = self.execute(name, command, share)
            rows = google_rows(report)
            self.result["benchmarks"][name] = {"rows": rows, "complete": outcome.good}
            if outcome.timed_out:
                self.leave_out("the rest of " + name, "cut off after %.0f s and %d rows" % (outcome.seconds, len(rows)))
                cut_off = True
            elif not outcome.good or not rows:
                self.fail(name, outcome.explain() if not outcome.good else "it printed no row", outcome.last_lines())
        return "cut off" if cut_off else None

    def bench_by_program(self):
        """Every loss and optimizer with large arrays: two thirds of the step's time at most."""
        seconds, arguments = None, ["--device", self.device]
        if self.left() is not None:
            seconds = self.left() * 2 / 3
            arguments += ["--time-limit", "%.0f" % max(1.0, seconds * 0.9 - 5)]  # the last row takes its time
        if self.device == "emulated":
            arguments += ["--quick", "--elements", "1024"]
        benches, outcome = self.program("bench", arguments, seconds=seconds)
        if benches is None:
            if outcome.timed_out:
                self.leave_out("fuselage bench", "cut off after %.0f s" % outcome.seconds)
                return True
            self.fail("fuselage bench", outcome.explain(), outcome.last_lines())
            return False
        bench = benches[0]
        self.result["benchmarks"]["fuselage bench"] = bench
        wrong = ["%s %s %s" % (row["family"], row["name"], row["dtype"]) for row in bench["rows"]
                 if not row.get("same_bits_as_cpu", True)]
        if wrong:
            self.fail("fuselage bench", "not the CPU's bits: " + ", ".join(wrong))
        elif not outcome.good or not bench["rows"]:
            self.fail("fuselage bench", outcome.explain() if not outcome.good else "no rows", outcome.last_lines())
        for row in bench.get("left_out", []):
            self.leave_out("fuselage bench " + row, "the time of its step was over")
        return bool(bench.get("left_out"))


def google_rows(path):
    """Medians of a JSON report of Google Benchmark, also of one whose writer was ended."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return []
    try:
        runs = json.loads(text)["benchmarks"]
    except ValueError:
        end = text.rfind("}")
        try:
            runs = json.loads(text[:end + 1] + "]}")["benchmarks"] if end >= 0 else []
        except (ValueError, KeyError):
            runs = []
    return [{"name": run["run_name"], "microseconds": run["real_time"], "gb_per_s": run["bytes_per_second"] * 1e-9}
            for run in runs if run.get("aggregate_name") == "median" and run.get("time_unit") == "us"
            and "bytes_per_second" in run]
