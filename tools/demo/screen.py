"""What the demo prints: how far the replay is, and at its end the season in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.runtime.calendar import jalali_date
from shared.text import persian_digits
from tools.demo import replay
from tools.demo.checks.result import CheckResult
from tools.demo.evidence import Evidence
from tools.demo.scorecards import Scorecard
from tools.demo.script import Script
from tools.demo.workdays import day_of

_FAULTS_SHOWN: Final = 5  # per check
_LINES: Final = 20  # of progress, if there is no terminal


class Screen:
    """Prints to a terminal with a progress bar, and to anything else in plain lines."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def replaying(self, script: Script) -> Iterator[_Bar | _Lines]:
        """Yield what shows the progress of the replay."""
        days = (day_of(script.ends_at) - day_of(script.begins_at)).days
        if not self._console.is_terminal:
            yield _Lines(self, script, days)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            yield _Bar(progress, script, days)

    def totals(self, script: Script, evidence: Evidence, progress: replay.Progress) -> None:
        """Print how much came of the season."""
        table = Table(title="فصل نشست‌های تخصصی استانی ۱۴۰۲", title_style="bold")
        table.add_column("what")
        table.add_column("count", justify="right")
        rows = {
            "sessions held": len(script.sessions),
            "resolutions approved": len(script.resolutions),
            "events in the topics": len(evidence.records),
            "mails caught": len(evidence.mails),
            "requests that changed something": progress.requests,
            "steps of the clock": progress.steps,
        }
        for what, count in rows.items():
            table.add_row(what, f"{count:,}")
        self._console.print(table)

    def checks(self, checks: Sequence[CheckResult]) -> None:
        """Print each check with its counts, and below the table the first faults of each."""
        table = Table(title="Checks", title_style="bold")
        table.add_column("check")
        table.add_column("expected", justify="right")
        table.add_column("found", justify="right")
        table.add_column("ok")
        for check in checks:
            mark = "[green]ok[/]" if check.ok else f"[bold red]{len(check.faults)} faults[/]"
            table.add_row(check.name, f"{check.expected:,}", f"{check.found:,}", mark)
        self._console.print(table)
        for check in checks:
            for fault in check.faults[:_FAULTS_SHOWN]:
                self.say(f"  {check.name}: {fault}")
            if len(check.faults) > _FAULTS_SHOWN:
                self.say(f"  {check.name}: and {len(check.faults) - _FAULTS_SHOWN} more")

    def scorecards(self, scorecards: Sequence[Scorecard]) -> None:
        """Print the scorecards of the deputies, and at last that of all deputies."""
        table = Table(title="کارنامه معاونت‌ها", title_style="bold")
        for title in (
            "معاونت",
            "کل",
            "باز",
            "معوق ۱",
            "معوق ۲",
            "معوق ۳",
            "تأیید انجام",
            "در مهلت",
        ):
            table.add_column(title, justify="left" if title == "معاونت" else "right")
        table.add_column("سهم", justify="right")
        for number, card in enumerate(scorecards):
            counts = (card.total, card.open_, *card.overdue, card.verified, card.in_time)
            cells = [persian_digits(count) for count in counts]
            share = persian_digits(f"{card.share:.0%}").replace("%", "٪")
            table.add_row(card.title_fa, *cells, share, end_section=number == len(scorecards) - 2)
        self._console.print(table)


class _Bar:
    """A progress bar over the days of the season."""

    def __init__(self, progress: Progress, script: Script, days: int) -> None:
        self._progress = progress
        self._script = script
        self._task = progress.add_task("", total=days, counts="")

    def show(self, reached: replay.Progress) -> None:
        """Show how far the replay has come."""
        day = day_of(reached.instant)
        self._progress.update(
            self._task,
            completed=(day - day_of(self._script.begins_at)).days,
            description=jalali_date(day),
            counts=_counts(reached),
        )


class _Lines:
    """A line for each twentieth of the season."""

    def __init__(self, screen: Screen, script: Script, days: int) -> None:
        self._screen = screen
        self._begins_on = day_of(script.begins_at)
        self._days = days
        self._shown = -1

    def show(self, reached: replay.Progress) -> None:
        """Print how far the replay has come, if a further twentieth is over."""
        day = day_of(reached.instant)
        part = _LINES * (day - self._begins_on).days // self._days
        if part > self._shown:
            self._shown = part
            self._screen.say(f"{part * 100 // _LINES:3} %  {jalali_date(day)}  {_counts(reached)}")


def _counts(reached: replay.Progress) -> str:
    return f"step {reached.steps}, {reached.requests:,} acts, {reached.resolutions:,} resolutions"
