"""Packs a build into a folder that runs on another machine with nothing installed."""
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import time

from . import build, machine

LIMIT_MIB = 60
# What every Linux has, and must not be taken along: these belong to the loader.
_SYSTEM = re.compile(r"^(linux-vdso|ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libutil|libcuda)\.so")
# Files that tests read, below the root of the sources.
_TREE = ("README.md", "docs", "tests/device/expected_bits.txt")
_OPTIONS = ["-DBUILD_TESTING=ON", "-DFUSELAGE_BUILD_EXAMPLES=OFF", "-DFUSELAGE_INSTALL=OFF", "-DBUILD_SHARED_LIBS=OFF",
            # DT_RPATH, unlike DT_RUNPATH, also holds for what the libraries themselves need.
            "-DCMAKE_BUILD_RPATH=$ORIGIN/../lib", "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags"]


def wanted_tests(tests):
    """Names of tests that are programs and can say something there: no sweeps of hours, no emulated devices."""
    return [test.name for test in tests if test.is_gtest and not test.is_slow and test.name.endswith("_test")
            and not {"emulated", "checked", "simt"} & set(test.labels)]


def needed_libraries(program):
    """{name: path} of the shared libraries that do not belong to the system."""
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", text, re.M))
    missing = re.findall(r"^\s*(\S+) => not found", text, re.M)
    if missing:
        raise build.BuildError("%s needs %s, which is not found" % (program, ", ".join(missing)))
    return {name: path for name, path in found.items() if not _SYSTEM.match(name)}


def _stage(root, folder, tests, stage):
    """Programs, their libraries and the files that tests read."""
    binaries, libraries = os.path.join(stage, "bin"), os.path.join(stage, "lib")
    os.makedirs(binaries)
    os.makedirs(libraries)
    programs = [os.path.join(folder, "bin", "fuselage")] + [test.command[0] for test in tests]
    programs += build.executables(os.path.join(folder, "bench"), "bench_")
    needed = {}
    for program in programs:
        target = os.path.join(binaries, os.path.basename(program))
        subprocess.run(["strip", "-o", target, program], check=True)
        needed.update(needed_libraries(program))
    for name, path in sorted(needed.items()):
        subprocess.run(["strip", "--strip-unneeded", "-o", os.path.join(libraries, name), os.path.realpath(path)],
                       check=True)
    for part in _TREE:
        source, target = os.path.join(root, part), os.path.join(stage, "tree", part)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, target)
        elif os.path.exists(source):
            shutil.copy2(source, target)
    for program in programs:
        staged = os.path.join(binaries, os.path.basename(program))
        for name, path in needed_libraries(staged).items():
            if not os.path.realpath(path).startswith(os.path.realpath(stage) + os.sep):
                raise build.BuildError("%s would take %s from %s, not from the pack" % (staged, name, path))
    return sorted(needed)


def _archive(stage, path):
    """One dictionary of 64 MiB: the programs share most of their code."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 4, "dict_size": 64 << 20}]

    def plain(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    with lzma.open(path + ".new", "wb", filters=filters) as packed:
        with tarfile.open(fileobj=packed, mode="w|") as tar:
            for part in ("lib", "bin", "tree"):
                tar.add(os.path.join(stage, part), part, filter=plain)
    os.replace(path + ".new", path)


def _copy_script(here, folder):
    shutil.copy2(os.path.join(here, "check_gpu"), os.path.join(folder, "check_gpu"))
    target = os.path.join(folder, "lib", "gpu_check")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(os.path.join(here, "lib", "gpu_check"), target, ignore=shutil.ignore_patterns("__pycache__"))


def pack(root, here, folder, work, architectures, jobs, say):
    """Builds in `work` and packs into `folder`, which must be new, empty, or a pack already."""
    os.makedirs(folder, exist_ok=True)
    if os.listdir(folder) and not os.path.exists(os.path.join(folder, build.MANIFEST)):
        raise build.BuildError("%s holds other files; a pack needs a folder of its own" % folder)
    commit = build.commit_of(root)
    build.make(root, work, architectures, jobs, say, _OPTIONS, targets=["fuselage_cli"])
    names = wanted_tests(build.ctest_entries(work, built=False))
    benches = [name[:-len(".cpp")] for name in sorted(os.listdir(os.path.join(root, "bench"))) if name.endswith(".cpp")]
    build.make(root, work, architectures, jobs, say, _OPTIONS, targets=names + ["bench_" + name for name in benches])
    tests = [test for test in build.ctest_entries(work) if test.name in names and test.is_gtest]
    say("packing %d tests" % len(tests))
    stage = os.path.join(work, "stage")
    shutil.rmtree(stage, ignore_errors=True)
    libraries = _stage(root, work, tests, stage)
    _archive(stage, os.path.join(folder, build.ARCHIVE))
    shutil.rmtree(stage)
    _copy_script(here, folder)
    compiler = machine.output_of([build.cached(work, "CMAKE_CXX_COMPILER"), "-dumpfullversion"])
    manifest = {
        "about": {"commit": commit, "made": "elsewhere", "date": time.strftime("%Y-%m-%d", time.gmtime()),
                  "architectures": ";".join(architectures), "compiler": (compiler or "").strip(),
                  "nvcc": machine.nvcc_version(build.cached(work, "CMAKE_CUDA_COMPILER")), "libraries": libraries},
        "device_tests": build.device_tests_of(root),
        "tests": [{"name": t.name, "program": os.path.basename(t.command[0]), "arguments": t.command[1:],
                   "labels": t.labels, "timeout": t.timeout} for t in tests]}
    with open(os.path.join(folder, build.MANIFEST), "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.write("\n")
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names_ in os.walk(folder) for name in names_
               if "unpacked" not in at)
    say("%s: %.1f MiB, commit %s, for %s" % (folder, size / 2**20, commit, ", ".join(architectures)))
    if size > LIMIT_MIB << 20:
        say("that is more than the %d MiB that a pack should have" % LIMIT_MIB)
