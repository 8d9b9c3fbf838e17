"""What a person sees: how far the replay is, and at the end the season in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.runtime.calendar import jalali_date
from shared.text import persian_digits
from tools.demo import replay
from tools.demo.days import day_of
from tools.demo.evidence import Evidence
from tools.demo.scores import Score
from tools.demo.script import Script
from tools.demo.verdicts import Check

_FAULTS = 5  # shown of each check
_LINES = 20  # said where there is no terminal


class Screen:
    """Says it on a terminal with a bar, elsewhere in plain lines."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """One line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def replaying(self, script: Script) -> Iterator[_Bar | _Lines]:
        """While it lasts, show each step that it is told of."""
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

    def totals(self, script: Script, evidence: Evidence, steps: replay.Progress) -> None:
        """What came together."""
        table = Table(title="فصل نشست‌های تخصصی استانی ۱۴۰۲", title_style="bold")
        table.add_column("what")
        table.add_column("count", justify="right")
        rows = {
            "sessions held": len(script.sessions),
            "resolutions approved": len(script.resolutions),
            "events in the topics": len(evidence.records),
            "mails caught": len(evidence.mails),
            "requests that changed something": steps.acts,
            "steps of the clock": steps.steps,
        }
        for what, count in rows.items():
            table.add_row(what, f"{count:,}")
        self._console.print(table)

    def checks(self, checks: Sequence[Check]) -> None:
        """Each check with its counts, and below them the faults."""
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
            for fault in check.faults[:_FAULTS]:
                self.say(f"  {check.name}: {fault}")
            if len(check.faults) > _FAULTS:
                self.say(f"  {check.name}: and {len(check.faults) - _FAULTS} more")

    def scores(self, scores: Sequence[Score]) -> None:
        """The scorecards of the deputies, and of all."""
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
        for number, score in enumerate(scores):
            counts = (score.total, score.open_, *score.overdue, score.verified, score.in_time)
            cells = [persian_digits(count) for count in counts]
            share = persian_digits(f"{score.share:.0%}").replace("%", "٪")
            table.add_row(score.title_fa, *cells, share, end_section=number == len(scores) - 2)
        self._console.print(table)


class _Bar:
    """A progress bar over the days of the season."""

    def __init__(self, progress: Progress, script: Script, days: int) -> None:
        self._progress = progress
        self._script = script
        self._task = progress.add_task("", total=days, counts="")

    def show(self, step: replay.Progress) -> None:
        """Show where it is."""
        day = day_of(step.instant)
        self._progress.update(
            self._task,
            completed=(day - day_of(self._script.begins_at)).days,
            description=jalali_date(day),
            counts=_counts(step),
        )


class _Lines:
    """A line now and then."""

    def __init__(self, screen: Screen, script: Script, days: int) -> None:
        self._screen = screen
        self._begins_on = day_of(script.begins_at)
        self._days = days
        self._said = -1

    def show(self, step: replay.Progress) -> None:
        """Say where it is, where that is worth a line."""
        day = day_of(step.instant)
        part = _LINES * (day - self._begins_on).days // self._days
        if part > self._said:
            self._said = part
            self._screen.say(f"{part * 100 // _LINES:3} %  {jalali_date(day)}  {_counts(step)}")


def _counts(step: replay.Progress) -> str:
    return f"step {step.steps}, {step.acts:,} acts, {step.resolutions:,} resolutions"
