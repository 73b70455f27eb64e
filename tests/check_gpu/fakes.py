"""A machine and a build made of small scripts, for the tests of scripts/check_gpu."""
import json
import os
import stat

CUDA = {"built": True, "usable": True, "status": "CUDA 13.0 built in for sm_90; 0: Fake H1 (sm_90)",
        "devices": ["Fake H1 (sm_90)"], "architectures": ["sm_90"], "runtime": "13.0", "driver": "13.0"}
ROWS = [{"family": "loss", "name": name, "dtype": "fp32", "cases": 7, "agrees": True, "disagreement": "",
         "mismatch": "", "value_ulp": 0.5, "value_budget": 4, "gradient_ulp": 0.75, "gradient_budget": 4,
         "passed": True}
        for name in ("mse", "mae")]
BENCH = [{"device": "cuda", "description": "CUDA device 0, Fake H1", "copy_gb_per_s": 1000.5, "left_out": [], "rows": [
    {"family": "loss", "name": "mse", "dtype": "fp32", "shape": "[4, 1]", "same_bits_as_cpu": True, "seconds": 1e-5,
     "gb_per_s": 900.0, "percent_of_copy": 90.0}]}]
GOOGLE = {"context": {}, "benchmarks": [
    {"name": "cuda/mse_" + kind, "run_name": "cuda/mse", "aggregate_name": kind, "time_unit": "us", "real_time": 2.5,
     "bytes_per_second": 7e9} for kind in ("mean", "median")]}

PASS = """[ RUN      ] %s
[       OK ] %s (1 ms)
"""
FAIL = """[ RUN      ] %s
file.cpp:7: Failure
element 3: 0x1 and 0x2
[  FAILED  ] %s, where GetParam() = mse fp32 (2 ms)
"""
SKIP = """[ RUN      ] %s
file.cpp:9: Skipped
no driver
[  SKIPPED ] %s (0 ms)
"""


def log(*cases, summary=True):
    """What a GoogleTest program prints for (form, name) pairs."""
    text = "[==========] Running tests\n" + "".join(form.replace("%s", name) for form, name in cases)
    failed = [name for form, name in cases if form is FAIL]
    if summary:
        text += "[  PASSED  ] %d tests.\n" % (len(cases) - len(failed))
        text += "".join("[  FAILED  ] %s\n" % name for name in failed)
    return text


def script(path, body):
    """An executable of Python; `body` may use os, sys, json, time, signal, subprocess."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/usr/bin/env python3\nimport json, os, signal, subprocess, sys, time\n" + body)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def prints(text, code=0):
    return "sys.stdout.write(%r)\nsys.stdout.flush()\nsys.exit(%d)\n" % (text, code)


class Machine:
    """A folder with a fake build, a fake nvidia-smi and, where asked for, a fake compute-sanitizer."""

    def __init__(self, folder):
        self.folder = folder
        self.build, self.tools = os.path.join(folder, "build"), os.path.join(folder, "tools")
        self.answers = {"doctor": {"cuda": dict(CUDA)}, "bench": json.loads(json.dumps(BENCH)),
                        "validate": {"passed": True, "backends": ["cpu avx2 x1", "cuda"],
                                     "rows": json.loads(json.dumps(ROWS))}}
        self.codes = {}
        self.tests = []
        self.device_tests = []
        self.test("bits_test", prints(log((PASS, "All/Bits.AreThoseOfTheCpu/mse_fp32"),
                                          (PASS, "All/Bits.AreThoseOfTheCpu/mae_fp32"))), device=True)
        self.test("backend_test", prints(log((PASS, "Backend.Copies"))), device=True)
        self.test("math_test", prints(log((PASS, "Math.Exp"), (SKIP, "Math.Gpu"))))
        self.bench("bench_losses", "write(json.dumps(%r))\n" % GOOGLE)
        script(os.path.join(self.tools, "nvidia-smi"),
               prints("NVIDIA Fake H1, 580.1, 9.0, 1000 MiB, 700 W, 1980 MHz, 3201 MHz\n"))

    def program(self, name):
        return os.path.join(self.build, "bin", name)

    def test(self, name, body, device=False, labels=("gtest",), timeout=600):
        script(self.program(name), body)
        self.tests = [t for t in self.tests if t["name"] != name]
        self.tests.append({"name": name, "program": name, "arguments": [], "labels": list(labels), "timeout": timeout})
        if device and name not in self.device_tests:
            self.device_tests.append(name)

    def bench(self, name, body):
        """`body` may use write(text), which writes the JSON report."""
        script(self.program(name), "report = next(a for a in sys.argv if '_out=' in a).split('=', 1)[1]\n"
                                   "def write(text):\n    with open(report, 'w') as f: f.write(text)\n" + body)

    def sanitizer(self, body):
        """`body` may use tool and run(), which runs the program under it and gives its exit code."""
        script(os.path.join(self.tools, "compute-sanitizer"),
               "tool = sys.argv[sys.argv.index('--tool') + 1]\n"
               "def run():\n    return subprocess.call(sys.argv[sys.argv.index('20') + 1:])\n" + body)

    def finish(self):
        """Writes what does not stand yet; gives back the build's folder."""
        if not os.path.exists(self.program("fuselage")):
            script(self.program("fuselage"),
                   "answers = json.loads(%r)\ncodes = %r\nverb = sys.argv[1]\n"
                   "print(json.dumps(answers[verb]))\nsys.exit(codes.get(verb, 0))\n" %
                   (json.dumps(self.answers), self.codes))
        with open(os.path.join(self.build, "manifest.json"), "w", encoding="utf-8") as file:
            json.dump({"about": {"commit": "abc1234", "made": "elsewhere", "architectures": "90-real"},
                       "device_tests": self.device_tests, "tests": self.tests}, file)
        return self.build
