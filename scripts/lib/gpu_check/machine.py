"""What the machine has: its GPU, driver, toolkit and libraries."""
import glob
import os
import platform
import re
import shutil
import subprocess
import sys


def output_of(command, seconds=30):
    """Standard output, or None where the command is missing, fails or hangs."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


_FIELDS = ["name", "driver_version", "compute_cap", "memory.total", "power.limit", "clocks.max.sm", "clocks.max.mem"]


def gpu():
    """The first GPU as nvidia-smi tells it; empty where none answers."""
    text = output_of(["nvidia-smi", "--query-gpu=" + ",".join(_FIELDS), "--format=csv,noheader"])
    if not text or not text.strip():
        return {}
    values = [value.strip() for value in text.strip().splitlines()[0].split(",")]
    return dict(zip([field.replace(".", "_") for field in _FIELDS], values))


def _toolkit_folders():
    folders = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")] + ["/usr/local/cuda"]
    return [folder for folder in folders if folder] + sorted(glob.glob("/usr/local/cuda-*"), reverse=True)


def toolkit_program(name):
    """A program of the toolkit, on PATH or in its usual folders; None where it is missing."""
    found = shutil.which(name)
    for folder in _toolkit_folders():
        for part in ("bin", name):
            path = os.path.join(folder, part, name)
            if not found and os.access(path, os.X_OK):
                found = path
    return found


def nvcc_version(nvcc=None):
    text = output_of([nvcc or toolkit_program("nvcc") or "nvcc", "--version"])
    found = re.search(r"V(\d+\.\d+\.\d+)", text or "")
    return found.group(1) if found else None


def _python_folders():
    """Where Python packages are: of this Python and of the one on PATH, which may be another."""
    folders = list(sys.path)
    python = shutil.which("python3")
    text = output_of([python, "-c", "import sys; print('\\n'.join(sys.path))"]) if python else None
    return [folder for folder in folders + (text or "").splitlines() if folder]


def cublas_folder(major):
    """The folder of libcublasLt.so.MAJOR, and the folders that were looked at. The loader's own cache comes first: then
    the folder is "" since nothing has to be added."""
    name = "libcublasLt.so.%s" % major
    for tool in ("ldconfig", "/sbin/ldconfig"):
        if name in (output_of([tool, "-p"]) or ""):
            return "", ["the loader's cache"]
    candidates = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if p]
    candidates += [os.path.join(folder, "lib64") for folder in _toolkit_folders()]
    for folder in _python_folders():
        candidates += sorted(glob.glob(os.path.join(folder, "nvidia", "*", "lib")))
    candidates = list(dict.fromkeys(candidates))
    for folder in candidates:
        if os.path.exists(os.path.join(folder, name)):
            return folder, candidates
    return None, ["the loader's cache"] + candidates


def host():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    system = platform.platform()
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            system = next((line.split("=", 1)[1].strip().strip('"') for line in file if line.startswith("PRETTY_NAME")),
                          system)
    except OSError:
        pass
    return {"processor": model, "processors": os.cpu_count(), "system": system, "kernel": platform.release()}
