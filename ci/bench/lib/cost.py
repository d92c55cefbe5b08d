"""Runs one command; prints what it cost: seconds, seconds of processor time, kilobytes of memory.

    cost.py SAID COMMAND…        what the command says goes into the file SAID

It measures as `measure.py` does, without a server's log.
"""

import pathlib
import sys

import measure

said, *command = sys.argv[1:]
figures, output = measure.cost(command, True)
pathlib.Path(said).write_bytes(output)
print(f"{figures['wall']:.2f} {figures['cpu']:.3f} {figures['memory'] // 1024}")
