"""Runs schedules by the thousand: `python -m tests.simulation --seeds 1000 --from 0 --jobs 2`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice
from multiprocessing.pool import Pool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.simulation import regressions
from tests.simulation.run import Result, hush, run
from tests.simulation.schedule import THEMES
from tests.simulation.trace import trace

_AT_ONCE = 25  # schedules that a worker is given together
_SAID_EVERY = 1_000  # schedules, where there is no terminal for the bar
_SHOWN = 20


def main() -> int:
    """Run what the command line asks for; 1 where the promise was broken."""
    options = _options()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets belongs to the schedule too
        arguments = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONHASHSEED": "0"})
    if options.seed is not None:
        return _one(options)
    return _many(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description="Runs schedules of the delivery code on simulated servers.",
    )
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (default: 1,000)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes (default: 1)")
    parser.add_argument("--seconds", type=float, help="stop after so many, whatever is left")
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--theme", choices=sorted(THEMES), help="draw them all of this kind")
    parser.add_argument("--recorded", action="store_true", help="all seeds that ever failed")
    parser.add_argument("--until", help="stop at the first failure that says this")
    parser.add_argument("--trace", action="store_true", help="tell what happens in it, and why")
    parser.add_argument(
        "--without", choices=sorted(regressions.REGRESSIONS), help="take a mend out again"
    )
    return parser.parse_args()


def _one(options: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    with regressions.without(options.without):
        if options.trace:
            result = trace(options.seed, options.theme, console)
        else:
            hush()
            result = run(options.seed, options.theme)
    for told in result.broken:
        console.print(told, style="red", markup=False)
    if not result.broken:
        console.print(f"seed {result.seed}: as promised, {result.seconds:.1f} simulated seconds")
    console.print(f"digest {result.digest}")
    return 1 if result.broken else 0


def _many(options: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    begun = time.monotonic()
    failed: list[Result] = []
    ran = 0
    stopped: list[int] = []
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda number, _: stopped.append(number))
    seconds = options.seconds
    seeds, total = _seeds(options)
    with Progress(
        TextColumn("schedules"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task("", total=total, failed=0)
        with multiprocessing.Pool(options.jobs, _begin, (options.without,)) as pool:
            for results in _results(pool, seeds, options):
                for result in results:
                    ran += 1
                    if result.broken:
                        failed.append(result)
                        _tell(console, result, options)
                progress.update(bar, completed=ran, failed=len(failed))
                if not console.is_terminal and ran % _SAID_EVERY < len(results):
                    _say(console, ran, failed, begun)
                if stopped:
                    console.print(f"stopped; --from {options.first + ran} goes on")
                    break
                if seconds is not None and time.monotonic() - begun > seconds:
                    break
                if options.until and any(options.until in t for f in failed for t in f.broken):
                    break
    _say(console, ran, failed, begun)
    return 1 if failed else 0


def _say(console: Console, ran: int, failed: Sequence[Result], begun: float) -> None:
    took = time.monotonic() - begun
    console.print(f"{ran} schedules, {len(failed)} failed, {ran / took * 60:.0f} a minute")


def _seeds(options: argparse.Namespace) -> tuple[Iterator[int], int | None]:
    """The seeds to run, and how many they are; None where only the time ends them."""
    if options.recorded:
        known = recorded()
        return iter(known), len(known)
    seeds: Iterator[int] = count(options.first)
    if options.seconds is not None:
        return seeds, None
    return islice(seeds, options.seeds), options.seeds


def recorded() -> list[int]:
    """The seeds that failed once, each with a word why in the file."""
    lines = (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def _results(
    pool: Pool, seeds: Iterator[int], options: argparse.Namespace
) -> Iterator[list[Result]]:
    """Hand out a few seeds at a time, so that stopping early throws little away."""
    work = partial(_run, theme=options.theme)
    while wave := [list(islice(seeds, _AT_ONCE)) for _ in range(options.jobs * 4)]:
        wave = [seeds_ for seeds_ in wave if seeds_]
        if not wave:
            return
        yield from pool.imap(work, wave)


def _begin(without: str | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it decides when it ends
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    hush()
    regressions.take_out(without)


def _run(seeds: list[int], theme: str | None) -> list[Result]:
    return [run(seed, theme) for seed in seeds]


def _tell(console: Console, result: Result, options: argparse.Namespace) -> None:
    again = f"python -m tests.simulation --seed {result.seed} --trace"
    if options.theme is not None:
        again += f" --theme {options.theme}"
    if options.without is not None:
        again += f" --without {options.without}"
    console.print(f"{again}  # {result.broken[0]}", markup=False)
    for told in result.broken[1:_SHOWN]:
        console.print(f"    {told}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
