"""What a run showed, as one table for people."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from tests.faults.replicated.nemesis import Struck
from tests.faults.replicated.run import Report
from tests.promise.checker import Kind, by_kind
from tests.promise.history import Outcome

_SHOWN = 20


def table_of(report: Report) -> Table:
    """Faults with how long until all was steady, then what came of the laws."""
    history = report.history
    sent = len(history.sent)
    table = Table(
        title=f"seed {report.plan.seed}: {sent:,} records sent, {len(history.acts):,} requests, "
        f"{len(history.told):,} events told, {report.seconds:.0f} s"
    )
    table.add_column("fault")
    for name in ("times", "longest wait (s)", "steady again after (s)"):
        table.add_column(name, justify="right")
    groups: defaultdict[str, list[Struck]] = defaultdict(list)
    for one in report.struck:
        groups[one.name].append(one)
    for name in sorted(groups):
        rows = groups[name]
        longest = max(one.longest for one in rows)
        table.add_row(name, str(len(rows)), f"{longest:.1f}", _recovery(rows))
    table.add_section()
    rest = "never" if report.at_rest is None else f"{report.at_rest:.1f}"
    table.add_row("nothing left to do, after the load", "", "", rest)
    table.add_section()
    for name, number in _counted(report).items():
        table.add_row(name, f"{number:,}", "", "")
    table.add_section()
    for kind, number in by_kind(report.violations).items():
        table.add_row(kind.value, str(number), "", "", style="red" if number else "green")
    return table


def show(report: Report, console: Console) -> None:
    """Print it, and the first violations of each kind."""
    console.print(table_of(report))
    told: defaultdict[Kind, int] = defaultdict(int)
    for violation in report.violations:
        told[violation.kind] += 1
        if told[violation.kind] <= _SHOWN:
            console.print(str(violation), markup=False, highlight=False)


def _recovery(rows: list[Struck]) -> str:
    known = [one.recovery for one in rows if one.recovery is not None]
    return f"{max(known):.1f}" if len(known) == len(rows) else "never"


def _counted(report: Report) -> dict[str, int]:
    history = report.history
    outcomes = [one.outcome for one in history.sent]
    return {
        "records acknowledged": outcomes.count(Outcome.ACKNOWLEDGED),
        "records of aborted transactions": outcomes.count(Outcome.ABORTED),
        "records of unknown fate": outcomes.count(Outcome.UNKNOWN),
        "poison": sum(one.refusal is not None for one in history.sent),
        "dead letters, by origin": len({letter.origin for letter in history.letters}),
        "requests answered": sum(act.outcome is Outcome.ACKNOWLEDGED for act in history.acts),
        "requests of unknown fate": sum(act.outcome is Outcome.UNKNOWN for act in history.acts),
        "levels told": sum(event.level is not None for event in history.told),
        "events read again": len(history.told)
        - len({(event.place.topic, event.id) for event in history.told}),
    }
