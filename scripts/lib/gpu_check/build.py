"""A build to be checked: made here, or elsewhere and unpacked."""
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

from . import process

ARCHIVE, MANIFEST = "build.tar.xz", "manifest.json"


class BuildError(Exception):
    pass


class Test:
    """An entry of ctest."""

    def __init__(self, name, command, labels, timeout, folder=None, skip_code=None, environment=None):
        self.name, self.command, self.labels, self.timeout = name, command, labels, timeout
        self.folder, self.skip_code, self.environment = folder, skip_code, environment or {}

    @property
    def is_gtest(self):
        return "gtest" in self.labels

    @property
    def is_slow(self):
        return "slow" in self.labels


class Build:
    def __init__(self, folder, program, benches, tests, device_tests, sources, about):
        self.folder, self.program, self.benches, self.tests = folder, program, benches, tests
        self.device_tests = device_tests  # names of the sources in tests/device
        self.sources, self.about = sources, about

    def environment(self):
        return {"OMP_WAIT_POLICY": "passive", "FUSELAGE_SOURCE_DIR": self.sources, "FUSELAGE_CLI": self.program or ""}


def git(root, *arguments):
    try:
        return subprocess.run(["git", "-C", root] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True).stdout.strip()
    except OSError:
        return ""


def commit_of(root):
    """The commit, with a mark where files differ from it; "unknown" outside of git."""
    commit = git(root, "rev-parse", "--short", "HEAD")
    return (commit + ("-changed" if git(root, "status", "--porcelain", "-uno") else "")) if commit else "unknown"


def device_tests_of(root):
    folder = os.path.join(root, "tests", "device")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [name[:-len(".cpp")] for name in names if name.endswith("_test.cpp")]


def ctest_entries(folder, built=True):
    """The entries of a build folder's ctest; `built`: those alone whose programs are there."""
    try:
        done = subprocess.run(["ctest", "--test-dir", folder, "--show-only=json-v1"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        listing = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        raise BuildError("ctest cannot list the tests of %s: %s" % (folder, error))
    tests = []
    for entry in listing["tests"]:
        command = entry.get("command", [])
        if built and not (command and os.access(command[0], os.X_OK)):
            continue
        found = {p["name"]: p["value"] for p in entry.get("properties", [])}
        environment = dict(line.split("=", 1) for line in found.get("ENVIRONMENT", []))
        environment.pop("GTEST_OUTPUT", None)
        tests.append(Test(entry["name"], command, found.get("LABELS", []), found.get("TIMEOUT", 600),
                          found.get("WORKING_DIRECTORY"), found.get("SKIP_RETURN_CODE"), environment))
    return tests


def executables(folder, starts):
    """Programs directly in `folder` whose names start so, sorted."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = [os.path.join(folder, name) for name in names if name.startswith(starts)]
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def commit_of_build(root, program):
    """The commit that the program was built from, with a mark where sources are newer than it."""
    commit = commit_of(root)
    names = git(root, "ls-files", "include", "host", "kernels").splitlines()
    times = [os.path.getmtime(os.path.join(root, name)) for name in names if os.path.exists(os.path.join(root, name))]
    stale = times and os.path.exists(program) and max(times) > os.path.getmtime(program)
    return commit + ("-newer-than-the-build" if stale else "")


def from_build_tree(folder, root, emulated=False):
    program = os.path.join(folder, "bin", "fuselage-emulated" if emulated else "fuselage")
    root = cached(folder, "CMAKE_HOME_DIRECTORY") or root
    about = {"commit": commit_of_build(root, program), "made": "here", "architectures": cached(folder, "CMAKE_CUDA_ARCHITECTURES"),
             "nvcc": cached(folder, "CMAKE_CUDA_COMPILER")}
    return Build(folder, program if os.access(program, os.X_OK) else None,
                 [] if emulated else executables(os.path.join(folder, "bench"), "bench_"), ctest_entries(folder),
                 device_tests_of(root), root, about)


def cached(folder, name):
    for line in _text(os.path.join(folder, "CMakeCache.txt")).splitlines():
        if line.startswith(name + ":"):
            return line.split("=", 1)[1].strip()
    return ""


def _text(path):
    """A file's text; empty where there is no such file."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def _unpack(folder):
    """Unpacks a packed build beside its archive, or where that cannot be written, to a temporary folder. Once."""
    archive = os.path.join(folder, ARCHIVE)
    stamp = "%d %d\n" % (os.path.getsize(archive), os.path.getmtime(archive))
    for parent in (folder, tempfile.gettempdir()):
        owner = "unpacked" if parent == folder else "fuselage-unpacked-%d" % os.getuid()
        target = os.path.join(parent, owner)
        mark = os.path.join(target, ".complete")
        try:
            if _text(mark) == stamp:
                return target
            shutil.rmtree(target, ignore_errors=True)
            os.makedirs(target, 0o700)
            with tarfile.open(archive, "r:xz") as tar:
                tar.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            with open(mark, "w", encoding="utf-8") as file:
                file.write(stamp)
            return target
        except OSError as error:
            problem = error
    raise BuildError("cannot unpack %s: %s" % (archive, problem))


def from_pack(folder):
    with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
        manifest = json.load(file)
    target = _unpack(folder) if os.path.exists(os.path.join(folder, ARCHIVE)) else folder
    binaries = os.path.join(target, "bin")
    tests = [Test(t["name"], [os.path.join(binaries, t["program"])] + t["arguments"], t["labels"], t["timeout"])
             for t in manifest["tests"]]
    program = os.path.join(binaries, "fuselage")
    return Build(target, program if os.access(program, os.X_OK) else None, executables(binaries, "bench_"), tests,
                 manifest["device_tests"], os.path.join(target, "tree"), manifest["about"])


def take(folder, root, emulated=False):
    """A build of either kind; `root`: the sources that a build folder belongs to."""
    folder = os.path.abspath(folder)
    if os.path.exists(os.path.join(folder, MANIFEST)):
        return from_pack(folder)
    if not os.path.exists(os.path.join(folder, "CTestTestfile.cmake")):
        raise BuildError("%s is neither a packed build (no %s) nor a build folder of CMake with tests" %
                         (folder, MANIFEST))
    if not os.path.isdir(os.path.join(root, "tests")):
        root = cached(folder, "CMAKE_HOME_DIRECTORY")
    return from_build_tree(folder, root, emulated)


def make(root, folder, architectures, jobs, say, extra=(), targets=(), seconds=None):
    """Configures and builds with CUDA; raises BuildError with the last lines of what failed."""
    os.makedirs(folder, exist_ok=True)
    configure = ["cmake", "-S", root, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DFUSELAGE_CUDA=ON",
                 "-DCMAKE_CUDA_ARCHITECTURES=" + ";".join(architectures)] + list(extra)
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    build = ["cmake", "--build", folder, "--parallel", str(jobs)]
    for target in targets:
        build += ["--target", target]
    for name, command in (("configure", configure), ("build", build)):
        say("%s: %s" % (name, " ".join(command)))
        outcome = process.run(command, os.path.join(folder, name + ".log"), seconds)
        if not outcome.good:
            raise BuildError("%s failed (%s); its last lines:\n  %s" %
                             (name, outcome.explain(), "\n  ".join(outcome.last_lines(25))))


def main_folder(script):
    """Where the script stands, and the root of its sources (None for a packed copy)."""
    here = os.path.dirname(os.path.abspath(os.path.realpath(script)))
    root = os.path.dirname(here)
    packed = os.path.exists(os.path.join(here, MANIFEST))  # it may lie inside somebody's sources
    return here, root if os.path.exists(os.path.join(root, "CMakeLists.txt")) and not packed else None
