#!/usr/bin/env python3
"""scripts/check_gpu on machines and builds made of small scripts: what it writes, its exit codes, its time limit.

usage: check_gpu_test.py [BUILD_FOLDER]   with the folder of a build that has the emulated device, it is checked too
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "scripts", "lib"), os.path.dirname(os.path.abspath(__file__))]

import fakes  # noqa: E402
from gpu_check import check, process, sanitizer  # noqa: E402

SCRIPT = os.path.join(ROOT, "scripts", "check_gpu")
BUILD = None


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def is_alive(pid):
    """A zombie that nobody collects is not."""
    try:
        return read("/proc/%s/stat" % pid).rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Result:
    def __init__(self, code, text, seconds, out):
        self.code, self.text, self.seconds = code, text, seconds
        found = glob.glob(os.path.join(out, "*.json"))
        self.json = json.loads(read(found[0])) if found else None
        pages = glob.glob(os.path.join(out, "*.md"))
        self.name = os.path.basename(pages[0]) if pages else None
        self.page = read(pages[0]) if pages else None

    def step(self, name):
        return next((s["status"] for s in self.json["steps"] if s["name"] == name), None)

    def left_out(self):
        return {x["what"]: x["why"] for x in self.json["left_out"]}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="check_gpu_test_")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.machine = fakes.Machine(self.folder)
        self.out = os.path.join(self.folder, "out")

    def environment(self):
        found = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA", "FUSELAGE"))}
        # Only the fakes and the system: a compute-sanitizer of this machine must not be found.
        found["PATH"] = self.machine.tools + os.pathsep + os.path.dirname(sys.executable) + ":/usr/bin:/bin"
        found["CUDA_HOME"] = self.folder
        return found

    def command(self, *arguments):
        logs = os.path.join(self.folder, "logs")
        return [sys.executable, SCRIPT, "--build", self.machine.finish(), "--out", self.out, "--logs", logs, *arguments]

    def run_check(self, *arguments, expect):
        start = time.monotonic()
        done = subprocess.run(self.command(*arguments), env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
        result = Result(done.returncode, done.stdout, time.monotonic() - start, self.out)
        self.assertEqual(result.code, expect, done.stdout)
        if result.json:
            self.assertEqual(result.json["exit_code"], expect)
        return result


class Everything(Case):
    def test_a_good_machine(self):
        self.machine.sanitizer("print('========= COMPUTE-SANITIZER')\ncode = run()\nraces = tool == 'racecheck'\n"
                               "print('========= RACECHECK SUMMARY: 0 hazards (0 errors, 0 warnings)' if races\n"
                               "      else '========= ERROR SUMMARY: 0 errors')\nsys.exit(code)\n")
        r = self.run_check("--sanitizer", os.path.join(self.machine.tools, "compute-sanitizer"), expect=0)
        j = r.json
        self.assertEqual(r.name, j["date"] + "-fake-h1.md")
        self.assertEqual((j["passed"], j["finished"], j["commit"], j["device"]), (True, True, "abc1234", "cuda"))
        self.assertEqual(j["gpu"]["driver_version"], "580.1")
        self.assertEqual(j["gpu"]["compute_cap"], "9.0")
        self.assertEqual(j["toolkit"]["built_with"], "13.0")
        self.assertEqual([s["name"] for s in j["steps"]], [name for name, _ in check.STEPS])
        self.assertEqual([j["tests"][k] for k in ("passed", "failed", "skipped")], [4, 0, 1])
        self.assertEqual({e["name"]: e["device"] for e in j["tests"]["executables"]},
                         {"bits_test": True, "backend_test": True, "math_test": False})
        self.assertEqual(j["tests"]["executables"][2]["skips"], [{"case": "Math.Gpu", "reason": "no driver"}])
        self.assertEqual((j["bits"]["agree"], j["bits"]["differ"]), (2, 0))
        self.assertEqual([e["name"] for e in j["bits"]["entries"]], ["mse_fp32", "mae_fp32"])
        self.assertEqual([v["name"] for v in j["bits"]["validation"]], ["mse", "mae"])
        self.assertEqual([(s["tool"], s["status"], s["cases"]) for s in j["sanitizer"]],
                         [(tool, "passed", 2) for tool in sanitizer.TOOLS])
        self.assertEqual(j["benchmarks"]["fuselage bench"]["rows"][0]["gb_per_s"], 900)
        self.assertEqual(j["benchmarks"]["bench_losses"]["rows"],
                         [{"name": "cuda/mse", "microseconds": 2.5, "gb_per_s": 7}])
        for part in ("Fake H1", "**Passed**", "| mse_fp32 | same bits |", "| racecheck | passed |", "| cuda/mse",
                     "| 90 % |"):
            self.assertIn(part, r.page)
        self.assertNotIn(self.folder, json.dumps(j["command"]), "a path of the machine is nobody's business")

    def test_programs_get_what_they_need(self):
        self.machine.test("backend_test", "assert os.environ['OMP_WAIT_POLICY'] == 'passive'\n"
                          "assert os.access(os.environ['FUSELAGE_CLI'], os.X_OK)\n"
                          "assert os.environ['FUSELAGE_SOURCE_DIR'].endswith('/tree')\n"
                          + fakes.prints(fakes.log((fakes.PASS, "Backend.Copies"))), device=True)
        self.run_check("--only", "device tests", expect=0)


class Failures(Case):
    def test_other_bits(self):
        self.machine.test("bits_test", fakes.prints(fakes.log((fakes.PASS, "All/Bits.X/mse_fp32"),
                                                              (fakes.FAIL, "All/Bits.X/mae_fp32")), 1), device=True)
        row = self.machine.answers["validate"]["rows"][1]
        row.update(agrees=False, passed=False, disagreement="[4, 1]: cpu and cuda differ in gradient")
        self.machine.answers["validate"]["passed"] = False
        self.machine.codes["validate"] = 1
        r = self.run_check("--only", "bits", expect=1)
        self.assertEqual((r.json["bits"]["agree"], r.json["bits"]["differ"]), (1, 1))
        wrong = r.json["bits"]["entries"][1]
        self.assertEqual((wrong["name"], wrong["status"]), ("mae_fp32", "failed"))
        self.assertIn("element 3: 0x1 and 0x2", wrong["what"])
        self.assertIn("validate loss mae fp32", [f["what"] for f in r.json["failures"]])
        self.assertEqual(r.step("bits"), "failed")
        self.assertIn("| mae_fp32 | failed |", r.page)
        self.assertIn("**FAILED**", r.page)

    def test_device_tests_that_all_skip(self):
        self.machine.test("bits_test", fakes.prints(fakes.log((fakes.SKIP, "All/Bits.X/mse_fp32"))), device=True)
        r = self.run_check("--only", "bits", expect=1)
        self.assertIn("no case ran on the device", [f["why"] for f in r.json["failures"]])

    def test_a_validation_without_the_device(self):
        self.machine.answers["validate"]["backends"] = ["cpu avx2 x1"]
        r = self.run_check("--only", "bits", expect=1)
        self.assertIn("did not use the device", r.json["failures"][0]["why"])

    def test_a_crash_names_its_case(self):
        log = fakes.log((fakes.PASS, "Backend.Copies"), summary=False) + "[ RUN      ] Backend.Graph\nboom\n"
        self.machine.test("backend_test", "print(%r, flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)\n" % log,
                          device=True)
        r = self.run_check("--only", "device tests", expect=1)
        self.assertEqual(r.json["failures"][0]["why"], "died of SIGSEGV in Backend.Graph")
        self.assertIn("boom", r.json["failures"][0]["lines"])
        self.assertEqual((r.json["tests"]["passed"], r.json["tests"]["failed"]), (1, 1))

    def test_a_program_that_ends_early_with_code_0(self):
        self.machine.test("backend_test", fakes.prints(fakes.log((fakes.PASS, "B.C"), summary=False)), device=True)
        r = self.run_check("--only", "device tests", expect=1)
        self.assertIn("without its summary", r.json["failures"][0]["why"])

    def test_a_test_over_its_own_timeout_fails(self):
        self.machine.test("backend_test", "time.sleep(60)\n", device=True, timeout=0.5)
        r = self.run_check("--only", "device tests", expect=1)
        self.assertIn("its limit", r.json["failures"][0]["why"])

    def test_a_bench_that_crashes_keeps_its_rows(self):
        text = json.dumps(fakes.GOOGLE)
        self.machine.bench("bench_losses", "write(%r)\nos.abort()\n" % text[:text.rindex("]")])
        r = self.run_check("--only", "benchmarks", expect=1)
        self.assertEqual([f["why"] for f in r.json["failures"]], ["died of SIGABRT"])
        self.assertEqual(len(r.json["benchmarks"]["bench_losses"]["rows"]), 1)
        self.assertIn("fuselage bench", r.json["benchmarks"])

    def test_a_bench_of_other_bits(self):
        self.machine.answers["bench"][0]["rows"][0]["same_bits_as_cpu"] = False
        self.machine.codes["bench"] = 1
        r = self.run_check("--only", "benchmarks", expect=1)
        self.assertIn("not the CPU's bits: loss mse fp32", r.json["failures"][0]["why"])

    def test_a_device_test_that_was_not_built_is_named(self):
        self.machine.device_tests += ["graph_test", "bits_sweep_test"]
        r = self.run_check("--only", "device tests", expect=0)
        self.assertEqual(r.left_out()["graph_test"], "the build does not have it")
        self.assertEqual(r.left_out()["bits_sweep_test"], "it takes hours")

    def test_a_missing_program(self):
        os.remove(self.machine.program("backend_test"))
        r = self.run_check("--only", "device tests", expect=1)
        self.assertIn("cannot be started", r.json["failures"][0]["why"])


class NoDevice(Case):
    def test_no_driver(self):
        self.machine.answers["doctor"]["cuda"].update(usable=False, status="no driver; install it")
        r = self.run_check(expect=4)
        self.assertEqual(r.json["failures"][0]["why"], "no driver; install it")
        self.assertEqual(r.left_out()["bits"], "there is no device")

    def test_no_program(self):
        self.machine.finish()
        os.remove(self.machine.program("fuselage"))
        done = subprocess.run([sys.executable, SCRIPT, "--build", self.machine.build, "--out", self.out,
                               "--logs", os.path.join(self.folder, "logs")], env=self.environment(),
                              stdout=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertIn("no program fuselage", done.stdout)

    def test_wrong_usage(self):
        self.run_check("--only", "bit", expect=2)
        self.run_check("--time-limit", "0", expect=2)
        done = subprocess.run([sys.executable, SCRIPT, "--build", self.folder], stderr=subprocess.PIPE,
                              universal_newlines=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("neither a packed build", done.stderr)


class Sanitizer(Case):
    def check(self, body, expect):
        self.machine.sanitizer(body)
        path = os.path.join(self.machine.tools, "compute-sanitizer")
        return self.run_check("--only", "sanitizer", "--sanitizer", path, expect=expect)

    def test_that_refuses_the_device(self):
        r = self.check("print('========= Error: Device not supported')\nprint('========= ERROR SUMMARY: 1 error')\n"
                       "sys.exit(99)\n", 0)
        self.assertEqual({s["status"] for s in r.json["sanitizer"]}, {"skipped"})
        self.assertIn("Device not supported", r.left_out()["compute-sanitizer memcheck"])
        self.assertEqual(r.step("sanitizer"), "skipped")

    def test_that_finds_an_error(self):
        r = self.check("run()\nif tool == 'initcheck':\n"
                       "    print('========= Uninitialized __global__ memory read of size 4 bytes')\n"
                       "    print('=========     at pointwise_kernel+0x10')\n"
                       "    print('========= ERROR SUMMARY: 2 errors')\n"
                       "    sys.exit(99)\nprint('========= ERROR SUMMARY: 0 errors')\n", 1)
        self.assertEqual({s["tool"]: (s["status"], s["errors"]) for s in r.json["sanitizer"]},
                         {"memcheck": ("passed", 0), "racecheck": ("passed", 0), "initcheck": ("failed", 2),
                          "synccheck": ("passed", 0)})
        self.assertIn("pointwise_kernel", "".join(r.json["failures"][0]["lines"]))

    def test_that_finds_an_error_which_sounds_like_a_refusal(self):
        r = self.check("run()\nprint('========= Program hit cudaErrorNotPermitted: operation not permitted')\n"
                       "print('========= ERROR SUMMARY: 1 error')\nsys.exit(99)\n", 1)
        self.assertEqual({s["status"] for s in r.json["sanitizer"]}, {"failed"})

    def test_that_says_nothing(self):
        r = self.check("sys.exit(run())\n", 1)
        self.assertIn("printed no summary", r.json["failures"][0]["why"])

    def test_under_which_the_program_ends_badly(self):
        r = self.check("run()\nsys.exit(3)\n", 1)
        self.assertIn("ended badly under it: exit code 3", r.json["failures"][0]["why"])

    def test_that_is_not_there(self):
        r = self.run_check("--only", "sanitizer", "--sanitizer", "/nowhere/compute-sanitizer", expect=0)
        self.assertIn("cannot be started", r.left_out()["compute-sanitizer memcheck"])

    def test_runs_small_cases(self):
        self.check("print('========= ERROR SUMMARY: 0 errors')\n"
                   "sys.exit(0 if os.environ.get('FUSELAGE_CASES') == 'small' else 5)\n", 0)

    def test_counts(self):
        errors_in = sanitizer.errors_in
        self.assertEqual(errors_in("========= RACECHECK SUMMARY: 3 hazards displayed (2 errors, 1 warnings)"), 2)
        self.assertEqual(errors_in("========= Invalid __global__ read of size 4 bytes\n=========     at k"), 1)
        self.assertEqual(errors_in("[ RUN ] Invalid\n========= COMPUTE-SANITIZER"), 0)


class TimeLimit(Case):
    HANG = ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "child = subprocess.Popen(['sleep', '300'])\n"
            "open(%r, 'w').write('%%d %%d' %% (os.getpid(), child.pid))\n"
            "print('[ RUN      ] Backend.Waits', flush=True)\ntime.sleep(300)\n")

    def hang(self):
        mark = os.path.join(self.folder, "pids")
        self.machine.test("backend_test", self.HANG % mark, device=True)
        return mark

    def expect_gone(self, mark):
        pids = read(mark).split()
        self.assertEqual(len(pids), 2)
        deadline = time.monotonic() + 2
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse([pid for pid in pids if is_alive(pid)], "a child outlived the check")

    def test_a_test_that_hangs_is_cut_off(self):
        mark = self.hang()
        r = self.run_check("--time-limit", "24", expect=3)
        self.assertLess(r.seconds, 24.5)
        self.assertEqual(r.step("device tests"), "cut off")
        self.assertEqual((r.step("bits"), r.step("benchmarks"), r.step("other tests")), ("done",) * 3)
        self.assertRegex(r.left_out()["backend_test"], r"cut off after \d+ s in Backend.Waits; 0 cases had passed")
        self.assertEqual(r.json["failures"], [])
        self.expect_gone(mark)

    def test_a_limit_too_short_for_anything(self):
        r = self.run_check("--time-limit", "6.5", expect=3)
        self.assertEqual(r.left_out()["bits"], "the time limit left no time for it")

    def test_an_interruption_leaves_results(self):
        mark = self.hang()
        running = subprocess.Popen(self.command(), env=self.environment(), stdout=subprocess.PIPE,
                                   universal_newlines=True)
        deadline = time.monotonic() + 20
        while not os.path.exists(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        running.send_signal(signal.SIGTERM)
        text = running.communicate(timeout=15)[0]
        r = Result(running.returncode, text, 0, self.out)
        self.assertEqual(r.code, 3, text)
        self.assertEqual((r.step("bits"), r.step("device tests")), ("done", "cut off"))
        self.assertIn("interrupted (SIGTERM)", r.left_out().values())
        self.assertTrue(r.json["finished"])
        self.expect_gone(mark)

    def test_what_early_steps_save_goes_to_later_ones(self):
        clock = process.Clock(100)
        clock.start -= 10  # seconds are spent
        left = 100 - 10 - clock.RESERVE - process.GRACE
        self.assertAlmostEqual(clock.share(1, 3), left / 4, places=1)
        self.assertAlmostEqual(clock.share(1, 0), left, places=1)
        self.assertIsNone(process.Clock(None).share(1, 3))


class Emulated(unittest.TestCase):
    """The real program on the emulated device."""

    def test_a_build(self):
        if not BUILD or not os.access(os.path.join(BUILD, "bin", "fuselage-emulated"), os.X_OK):
            self.skipTest("no fuselage-emulated in the build")
        out = tempfile.mkdtemp(prefix="check_gpu_test_")
        self.addCleanup(shutil.rmtree, out, True)
        done = subprocess.run([sys.executable, SCRIPT, "--build", BUILD, "--device", "emulated", "--out", out,
                               "--logs", os.path.join(out, "logs"),
                               "--only", "benchmarks", "--time-limit", "30"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=110)
        r = Result(done.returncode, done.stdout, 0, out)
        self.assertEqual(r.code, 0, done.stdout)
        self.assertEqual(r.json["gpu"]["name"], "emulated")
        self.assertEqual(r.json["doctor"]["cuda"]["devices"][0].split()[0], "emulated")
        rows = r.json["benchmarks"]["fuselage bench"]["rows"]
        self.assertGreater(len(rows), 0)
        for row in rows:
            self.assertTrue(row["same_bits_as_cpu"], row)


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]):
        BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main()
