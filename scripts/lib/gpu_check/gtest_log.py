"""Reads what a GoogleTest program printed. The XML is of no use here: it is written at the end, and programs that hang
or crash have none."""
import re

_BEGIN = re.compile(r"^\[ RUN      \] (\S+)")
_END = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+?)(?:, where .*)? \(\d+ ms\)")


class Case:
    def __init__(self, name):
        self.name, self.status, self.lines = name, "unfinished", []

    @property
    def text(self):
        """What it said: why it failed, or why it was skipped."""
        lines = [line for line in self.lines if line.strip()]
        # GoogleTest says `FILE:LINE: Skipped` and then the reason.
        if self.status == "skipped":
            lines = [line for line in lines if not line.rstrip().endswith(": Skipped")]
        return "\n".join(lines)[:2000]


def cases_of(log):
    """All cases that were begun, in order. The one that ran when the program ended is "unfinished"."""
    cases, current = [], None
    for line in log.splitlines():
        begin, end = _BEGIN.match(line), _END.match(line)
        if begin:
            current = Case(begin.group(1))
            cases.append(current)
        elif end and current and end.group(2).rstrip(",") == current.name:
            current.status = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[end.group(1)]
            current = None
        elif current:
            current.lines.append(line)
    return cases


def is_complete(log):
    """Whether the program came to its summary."""
    return re.search(r"^\[  PASSED  \] \d+ test", log, re.M) is not None
