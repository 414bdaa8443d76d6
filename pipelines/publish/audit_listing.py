"""The audit as a table on a terminal, for the hub's statistician.

Belongs here: its columns. Does not belong here: the attack (pipelines.domain.disclosure.audit). Confidential:
never in the site, an artifact or a log.
"""

from rich.table import Table

from pipelines.domain.disclosure.audit import AuditReport, AuditRow


def audit_table(report: AuditReport) -> Table:
    """Return a line per holding (or withheld figure), variable and attacker, and one per further alarm."""
    table = Table(title="confidential: for the statistician only / 대외비")
    for name in ("whose", "variable", "period", "attacker", "derived", "protected", "nearest"):
        table.add_column(name, overflow="fold")
    table.add_column("alarm", style="bold red", no_wrap=True)
    for row in report.rows:
        table.add_row(
            row.holding or row.figure_id,
            row.variable,
            f"{row.period} {row.start}",
            _attacker(row),
            f"{row.lower:,.6g} to {row.upper:,.6g}",
            f"{row.protected_low:,.6g} to {row.protected_high:,.6g}",
            f"{row.tightest:.1%}",
            "ALARM" if row.alarm else "",
        )
    return table


def alarm_lines(report: AuditReport) -> list[str]:
    """Return a line per alarm: what combines to it. Without any one of these there would be none."""
    return [
        f"ALARM {row.holding or row.figure_id}, {row.variable}, {row.period} {row.start}:"
        f" {len(row.releases)} releases combine to it: {'; '.join(str(r) for r in row.releases)}"
        for row in report.alarms
    ]


def _attacker(row: AuditRow) -> str:
    who = "the public" if row.coalition == 0 else f"{row.coalition} others"
    return f"{who}, {row.attacker}"
