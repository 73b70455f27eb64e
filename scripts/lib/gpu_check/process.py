"""Programs under a time limit: each in a process group of its own, so that it can be ended with all it started."""
import os
import signal
import subprocess
import threading
import time

GRACE = 2.0  # seconds between asking a program to end and ending it

_lock = threading.Lock()
_running = set()
_stopping = False


class Outcome:
    """How a program ended. `code` is None where it could not be started, negative for a signal."""

    def __init__(self, code, seconds, timed_out, out, err, problem=""):
        self.code, self.seconds, self.timed_out = code, seconds, timed_out
        self.out, self.err, self.problem = out, err, problem

    @property
    def good(self):
        return self.code == 0 and not self.timed_out

    def explain(self):
        """Why it is not good, in a few words."""
        if self.problem:
            return self.problem
        if self.timed_out:
            return "ended after %.0f s, its limit" % self.seconds
        if self.code is not None and self.code < 0:
            try:
                return "died of %s" % signal.Signals(-self.code).name
            except ValueError:
                return "died of signal %d" % -self.code
        return "exit code %s" % self.code

    def last_lines(self, count=12):
        lines = [line for line in (self.out + "\n" + self.err).splitlines() if line.strip()]
        return [line[:300] for line in lines[-count:]]


def _signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _end(process):
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    _signal_group(process, signal.SIGKILL)  # also whatever it left behind
    process.wait()


def stop_all():
    """Ends everything that runs, and starts nothing more."""
    global _stopping
    with _lock:
        _stopping = True
        running = list(_running)
    for process in running:
        _signal_group(process, signal.SIGKILL)


def _text(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def run(command, log, seconds=None, environment=None, folder=None):
    """Runs a command for at most `seconds`. Its output goes to LOG and LOG.err, which stay; nothing is raised."""
    start = time.monotonic()
    variables = dict(os.environ)
    variables.update(environment or {})
    timed_out = False
    with open(log, "wb") as out, open(log + ".err", "wb") as err:
        with _lock:
            if _stopping:
                return Outcome(None, 0.0, False, "", "", "not started: the whole check was interrupted")
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder,
                                           env=variables, start_new_session=True)
            except OSError as error:
                return Outcome(None, 0.0, False, "", "", "cannot be started: %s" % error)
            _running.add(process)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _end(process)
            with _lock:
                _running.discard(process)
    return Outcome(process.returncode, time.monotonic() - start, timed_out, _text(log), _text(log + ".err"))


class Clock:
    """The time limit of the whole check, and the shares of it that steps may take. None: no limit."""

    RESERVE = 4.0  # seconds kept back for writing results

    def __init__(self, limit):
        self.start, self.limit = time.monotonic(), limit

    def spent(self):
        return time.monotonic() - self.start

    def left(self):
        return None if self.limit is None else max(0.0, self.limit - self.RESERVE - GRACE - self.spent())

    def share(self, weight, weights_to_come):
        """Seconds for a step of this weight when steps of `weights_to_come` follow; what is saved is shared."""
        left = self.left()
        return None if left is None else left * weight / (weight + weights_to_come)


def earlier(*seconds):
    """The least of some limits, of which any may be None."""
    given = [value for value in seconds if value is not None]
    return min(given) if given else None
