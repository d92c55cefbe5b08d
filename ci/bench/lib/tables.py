"""Makes the tables of ci/bench/client from what was measured, as Markdown.

    tables.py FIGURES VERSIONS

- FIGURES has a line of JSON for each run, and for each size; VERSIONS the load of the machine, then the programs.
- A figure is the median of its runs; in brackets are the smallest and the largest where they differ from it.
- GOALS says what is to be reached, how it is computed, and beside what. A goal that is missed is shown as such.
"""

import json
import math
import os
import platform
import statistics
import sys
import time
from collections import defaultdict

MEGABYTE = 1e6
OURS = "sysext-fetch"

# name of a figure: heading, factor, digits
COLUMNS = {
    "wall": ("wall, s", 1, 3),
    "cpu": ("CPU, s", 1, 3),
    "milliseconds": ("wall, ms", 1, 1),
    "memory": ("RSS, MB", 1 / MEGABYTE, 1),
    "requests": ("requests", 1, 0),
    "bytes": ("bytes", 1, 0),
    "size": ("size, MB", 1 / MEGABYTE, 2),
}

# row: title, figures that are shown, which of them the ratio is of
ROWS = {
    "nothing-new": ("Nothing new, 50 extensions", ["requests", "bytes", "cpu", "wall", "memory"], "cpu"),
    "full": ("An image of 500 MB, full", ["wall", "cpu", "memory", "bytes"], "wall"),
    "releases": ("Releases of real programs", ["bytes", "cpu", "wall", "memory"], "bytes"),
    "cache": ("From what is cached, 1,000 images in the store", ["milliseconds", "cpu"], None),
    "size": ("The program", ["size"], None),
}


# release: percent of the compressed file, seconds; the others are shown without a goal of their own
RELEASES = {"kubectl 1.37.0": (5, 0.35), "uv": (40, 0.5)}


class Figures:
    """All that was measured, by row, program and name."""

    def __init__(self, path: str) -> None:
        self.values = defaultdict(list)
        self.programs = defaultdict(list)
        with open(path, encoding="utf-8") as file:
            for line in file:
                figure = json.loads(line)
                row, who = figure.pop("row"), figure.pop("who")
                if who not in self.programs[row]:
                    self.programs[row].append(who)
                if "wall" in figure:
                    figure["milliseconds"] = figure["wall"] * 1000
                for name, value in figure.items():
                    self.values[row, who, name].append(value)

    def median(self, row: str, who: str, name: str) -> float | None:
        values = self.values.get((row, who, name))
        return statistics.median(values) if values else None

    def text(self, row: str, who: str, name: str) -> str:
        values = self.values.get((row, who, name))
        if not values:
            return ""
        _, factor, digits = COLUMNS[name]
        median, least, most = (
            f"{value * factor:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
        )
        return median if least == most else f"{median} ({least}–{most})"

    def ratio(self, row: str, who: str, name: str, other: str) -> float | None:
        mine, theirs = self.median(row, who, name), self.median(row, other, name)
        return mine / theirs if mine is not None and theirs else None


def table(head: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[index]) for line in [head, *lines]) for index in range(len(head))]

    def show(line: list[str]) -> str:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths))
        return "| " + " | ".join([line[0].ljust(widths[0]), *rest]) + " |"

    rule = "|" + "|".join("-" * (width + 2 - (index > 0)) + ":" * (index > 0) for index, width in enumerate(widths)) + "|"
    return "\n".join([show(head), rule, *map(show, lines)]) + "\n"


def row_table(figures: Figures, row: str) -> str:
    title, names, compared = ROWS[row]
    lines = []
    # Several rounds of peers are in one row where their names say of what: "what: who".
    def of_what(who: str) -> str:
        return who.split(": ")[0] if ": " in who else ""

    first = {}
    for who in figures.programs[row]:
        first.setdefault(of_what(who), who)
    for who in figures.programs[row]:
        line = [who, *(figures.text(row, who, name) for name in names)]
        if compared:
            ratio = figures.ratio(row, who, compared, first[of_what(who)])
            line.append("" if ratio is None else f"{ratio:,.2f}" if ratio < 10 else f"{ratio:,.0f}")
        lines.append(line)
    head = ["", *(COLUMNS[name][0] for name in names)]
    if compared:
        head.append(f"{COLUMNS[compared][0].split(',')[0]}, ratio")
    return f"### {title}\n\n{table(head, lines)}"


def goals(figures: Figures) -> list[list[str]]:
    """What is to be reached, one line each: what, goal, figure, beside what, whether it is met."""
    lines = []

    def get(row: str, who: str, name: str) -> float:
        value = figures.median(row, who, name)
        return math.nan if value is None else value

    def goal(what: str, wanted: str, shown: str, beside: str, *met: bool) -> None:
        lines.append([what, wanted, shown, beside, "yes" if all(met) else "**no**"])

    def has(row: str) -> bool:
        return bool(figures.programs.get(row))

    if has("nothing-new"):
        row, who, peer = "nothing-new", f"{OURS}, one catalog", "systemd-sysupdate, 50 components"
        requests, cpu = get(row, who, "requests"), get(row, who, "cpu")
        beside = f"systemd-sysupdate: {get(row, peer, 'requests'):.0f} requests, {get(row, peer, 'cpu'):.2f} s"
        goal(
            "nothing new, 50 extensions", "2 requests, ≤ 0.05 s CPU", f"{requests:.0f} requests, {cpu:.3f} s", beside,
            requests <= 2, cpu <= 0.05,
        )
    # Of what is compressed the same file is there when it is unpacked.
    forms = (
        ("as it is", OURS, "systemd-sysupdate", "curl -o, fsync"),
        ("compressed", f"{OURS}, zstd", "systemd-sysupdate, xz", "curl, zstd -d, openssl dgst, fsync"),
    )
    for form, ours, peer, floor in forms:
        if not has("full"):
            break
        wanted = f"≤ 1.3 × {floor}"
        row, ours, peer, floor = "full", f"{form}: {ours}", f"{form}: {peer}", f"{form}: {floor}"
        wall, least = get(row, ours, "wall"), get(row, floor, "wall")
        goal(
            f"500 MB, {form}: time", wanted, f"{wall:.2f} s, {wall / least:.2f} ×",
            f"curl: {least:.2f} s; {peer.split(': ')[1]}: {get(row, peer, 'wall'):.2f} s", wall <= 1.3 * least,
        )
        mine, theirs = get(row, ours, "cpu"), get(row, peer, "cpu")
        goal(
            f"500 MB, {form}: CPU", "≤ ½ of systemd-sysupdate's", f"{mine:.2f} s, {mine / theirs:.2f} ×",
            f"{peer.split(': ')[1]}: {theirs:.2f} s", mine <= theirs / 2,
        )
        mine, theirs = get(row, ours, "memory") / MEGABYTE, get(row, peer, "memory") / MEGABYTE
        goal(
            f"500 MB, {form}: memory", "≤ 48 MB", f"{mine:.1f} MB", f"{peer.split(': ')[1]}: {theirs:.1f} MB", mine <= 48,
        )
    for who in figures.programs.get("releases", ()):
        what, program = who.split(": ")
        goals_of = next((it for name, it in RELEASES.items() if what.startswith(name)), None)
        if program != OURS or not goals_of:
            continue
        most_percent, most_cpu = goals_of
        row, whole = "releases", f"{what}: curl, zstd -19"
        percent, cpu = 100 * get(row, who, "bytes") / get(row, whole, "bytes"), get(row, who, "cpu")
        beside = (
            f"zstd: {get(row, whole, 'bytes'):,.0f} bytes; systemd-sysupdate: "
            f"{get(row, f'{what}: systemd-sysupdate, .xz', 'bytes'):,.0f} bytes, "
            f"{get(row, f'{what}: systemd-sysupdate, .xz', 'cpu'):.2f} s"
        )
        memory = get(row, who, "memory") / MEGABYTE
        goal(
            what, f"≤ {most_percent} % of the compressed file, ≤ {most_cpu} s CPU, ≤ 64 MB",
            f"{get(row, who, 'bytes'):,.0f} bytes, {percent:.2f} %, {cpu:.2f} s, {memory:.0f} MB",
            beside, percent <= most_percent, cpu <= most_cpu, memory <= 64,
        )
    ours = [who for who in figures.programs.get("releases", ()) if who.endswith(f": {OURS}")]
    if ours:
        total = sum(get("releases", who, "bytes") for who in ours)
        whole = sum(get("releases", f"{who.split(': ')[0]}: curl, zstd -19", "bytes") for who in ours)
        goal(
            f"these {len(ours)} releases", "≤ 9.5 MB in all", f"{total:,.0f} bytes, {100 * total / whole:.1f} %",
            f"zstd: {whole:,.0f} bytes", total <= 9.5e6,
        )
    for who, wanted in (("status", 20), ("why tool050", 20), ("check --offline", 20), ("boot guard, 100 extensions", 50)):
        if has("cache"):
            wall = get("cache", who, "milliseconds")
            goal(f"{who}, 1,000 images in the store", f"≤ {wanted} ms", f"{wall:.1f} ms", "", wall <= wanted)
    for who in figures.programs.get("size", ()):
        if not who.endswith("static"):
            continue
        size = get("size", who, "size") / MEGABYTE
        goal(f"size of {who}", "≤ 10 MB, stripped", f"{size:.2f} MB", "", size <= 10)
    return lines


def machine(versions: str) -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    with open(versions, encoding="utf-8") as file:
        load, *programs = (line.strip() for line in file)
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {model}, {os.cpu_count()} cores, {memory:.0f} GB, "
        f"Linux {platform.release()}, load {load} before it began; {', '.join(programs)}.\n"
    )


def main() -> None:
    figures = Figures(sys.argv[1])
    print(machine(sys.argv[2]))
    print(table(["what", "goal", "figure", "beside", "met"], goals(figures)))
    for row in ROWS:
        if figures.programs.get(row):
            print(row_table(figures, row))


main()
