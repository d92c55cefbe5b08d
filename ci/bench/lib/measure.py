"""Runs a command and notes what it cost, as lines of JSON.

    measure.py ROW WHO TIMES COMMAND…

- FIGURES is the file that gets the lines, ACCESS_LOG the web server's, where requests and bytes are counted.
- Processor time is that of the command and of all that it waited for. Memory is that of the largest of these processes, and
  is asked of time(1), which is small itself: a process that Python starts has had Python's memory for a moment.
- With TIMES above 1 the command is one of milliseconds: it runs that often without time(1) in between, once before for
  nothing, and each run is a figure.
- A command that fails ends the benchmark: what did not work has no figures.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time


def served(log: str, since: int) -> tuple[int, int]:
    """Requests and bytes since that place in the log."""
    # The server writes a line after the last byte is on its way.
    time.sleep(0.05)
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(since)
        lines = [line.split(" ", 3) for line in file if line.strip()]
    return len(lines), sum(int(sent) for _, _, sent, _ in lines)


def cost(command: list[str], with_memory: bool) -> tuple[dict[str, float], bytes]:
    """Time and memory of a command, and what it said."""
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as memory:
        timed = ["time", "-q", "-f", "%M", "-o", memory.name, *command] if with_memory else command
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        done = subprocess.run(timed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            sys.stderr.buffer.write(done.stdout)
            raise SystemExit(f"{' '.join(command)[:300]} ended with {done.returncode}")
        figures = {
            "wall": wall,
            "cpu": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
        }
        if with_memory:
            figures["memory"] = int(memory.read()) * 1024
    return figures, done.stdout


def run(command: list[str], log: str, with_memory: bool) -> dict[str, float]:
    since = os.path.getsize(log)
    figures, _ = cost(command, with_memory)
    figures["requests"], figures["bytes"] = served(log, since)
    return figures


def main() -> None:
    row, who, times, *command = sys.argv[1:]
    log = os.environ["ACCESS_LOG"]
    if int(times) > 1:
        run(command, log, False)
    with open(os.environ["FIGURES"], "a", encoding="utf-8") as file:
        for _ in range(int(times)):
            figures = run(command, log, int(times) == 1)
            file.write(json.dumps({"row": row, "who": who, **figures}) + "\n")
            last = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    print(f"    {who}: {last}")


if __name__ == "__main__":
    main()
