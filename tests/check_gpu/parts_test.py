#!/usr/bin/env python3
"""The parts of scripts/check_gpu by themselves: logs, names, libraries, folders, archives."""
import os
import shutil
import sys
import tarfile
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "scripts", "lib"), os.path.dirname(os.path.abspath(__file__))]

import fakes  # noqa: E402
from gpu_check import build, gtest_log, pack, report  # noqa: E402


class Parts(unittest.TestCase):
    def test_log_of_a_parametrised_failure(self):
        cases = gtest_log.cases_of(fakes.log((fakes.FAIL, "All/A.B/c"), (fakes.SKIP, "D.E"), (fakes.PASS, "F.G")))
        self.assertEqual([(c.name, c.status) for c in cases],
                         [("All/A.B/c", "failed"), ("D.E", "skipped"), ("F.G", "passed")])
        self.assertEqual(cases[1].text, "no driver")

    def test_names(self):
        self.assertEqual(report.slug("NVIDIA H200"), "h200")
        self.assertEqual(report.slug("NVIDIA GeForce RTX 4090"), "geforce-rtx-4090")
        tests = [build.Test(name, [], labels, 1) for name, labels in [
            ("bits_test", ["gtest"]), ("bits_test_emulated", ["gtest", "emulated"]),
            ("x_sweep_test", ["gtest", "slow"]), ("weak_symbols", ["script"]), ("simt_test", ["gtest", "simt"])]]
        self.assertEqual(pack.wanted_tests(tests), ["bits_test"])

    def test_libraries_of_the_system_stay_behind(self):
        found = pack.needed_libraries(os.path.realpath(sys.executable))
        self.assertFalse([name for name in found if name.startswith(("libc.", "libm.", "ld-linux", "linux-vdso"))])

    def test_a_packed_script_inside_somebodys_sources(self):
        folder = tempfile.mkdtemp(prefix="check_gpu_test_")
        self.addCleanup(shutil.rmtree, folder, True)
        for name in ("CMakeLists.txt", "pack/check_gpu", "scripts/check_gpu"):
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            open(os.path.join(folder, name), "w", encoding="utf-8").close()
        script = os.path.join(folder, "pack", "check_gpu")
        self.assertEqual(build.main_folder(os.path.join(folder, "scripts", "check_gpu"))[1], os.path.realpath(folder))
        self.assertEqual(build.main_folder(script)[1], os.path.realpath(folder))
        open(os.path.join(folder, "pack", build.MANIFEST), "w", encoding="utf-8").close()
        self.assertIsNone(build.main_folder(script)[1])

    def test_an_archive_is_unpacked_once(self):
        folder = tempfile.mkdtemp(prefix="check_gpu_test_")
        self.addCleanup(shutil.rmtree, folder, True)
        machine = fakes.Machine(folder)
        machine.finish()
        archive = os.path.join(machine.build, build.ARCHIVE)
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(os.path.join(machine.build, "bin"), "bin")
        shutil.rmtree(os.path.join(machine.build, "bin"))
        taken = build.take(machine.build, "")
        self.assertTrue(taken.program.startswith(os.path.join(machine.build, "unpacked")))
        self.assertEqual([os.path.basename(b) for b in taken.benches], ["bench_losses"])
        mark = os.path.join(taken.folder, "mark")
        open(mark, "w", encoding="utf-8").close()
        build.take(machine.build, "")
        self.assertTrue(os.path.exists(mark), "unpacked again")
        os.utime(archive, (0, 0))
        build.take(machine.build, "")
        self.assertFalse(os.path.exists(mark), "an archive that changed is unpacked again")


if __name__ == "__main__":
    unittest.main()
