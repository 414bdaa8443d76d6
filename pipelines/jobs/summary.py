"""The summary of a night: what a person can act on, worst first.

Belongs here: the lines, in English and Korean where an operator acts on them. Does not belong here: printing.
Counts of members' figures never appear: a summary may be read by anybody at the hub.
"""

from collections import Counter
from collections.abc import Mapping

from pipelines.domain.causes import METHOD_CHANGE
from pipelines.jobs.nightly import NightReport

Line = tuple[str, str]


def summary_lines(report: NightReport) -> list[Line]:
    """Return (heading, text) lines of a night."""
    lines = [*_alarms(report), ("night", f"{report.cluster}, {report.nominal}, last closed day {report.day}")]
    if report.nothing_new:
        lines.append(("result", "nothing new: no commit, no page changed / 새로운 내용 없음"))
    lines += [
        ("read", _counted(_by_stream(report.ingest.messages), "messages")),
        ("rows", _counted(report.ingest.rows, "raw rows")),
        ("dead letters", _counted(report.ingest.dead, "") if report.ingest.dead else "none"),
        ("facts", f"{report.facts.rows} rows written, {report.facts.factory_days} factory-days computed"),
        ("figures", _figures(report)),
        ("carbon", _carbon(report)),
        *([("baseline", f"set for {report.baselines} subjects")] if report.baselines else []),
        ("liveness", f"{report.liveness_rows} rows new or changed"),
        ("released", _released(report)),
        ("pages", f"{len(report.site.written)} written, {len(report.site.unchanged)} unchanged"),
        ("sent", _counted(report.outputs.records, "records") if report.outputs.records else "nothing"),
        ("silent", ", ".join(report.silent) or "no factory"),
        ("seconds", ", ".join(f"{name} {s:.1f}" for name, s in report.seconds.items())),
    ]
    return lines


def _figures(report: NightReport) -> str:
    counts = (
        f"{report.emission_rows} emission rows",
        f"{report.element_rows} daily elements",
        f"{report.kpi_rows} KPI rows",
    )
    return f"{', '.join(counts)} new or changed"


def _carbon(report: NightReport) -> str:
    made = report.carbon
    return (
        f"{report.activity_rows} activities, {made.lines} emission lines, {made.statements} statements "
        "new or changed"
    )


def _alarms(report: NightReport) -> list[Line]:
    alarms = [("GAP / 누락", _gap_text(gap)) for gap in report.ingest.gaps]
    alarms += [
        (
            "WAITING / 대기",
            f"{place} from offset {end}: no answer of the schema registry / 레지스트리 응답 없음",
        )
        for place, end in sorted(report.ingest.cut_partitions.items())
    ]
    if report.facts.left_for_later:
        alarms.append(
            ("PARTIAL / 일부", f"{report.facts.left_for_later} days left for the next run (--max-days)")
        )
    if report.anew:
        text = f"{', '.join(report.anew)}: the log no longer reaches back / 변경 기록이 남아 있지 않음"
        alarms.append(("COMPUTED ANEW / 전체 재계산", text))
    if report.facts.without_profile:
        alarms.append(("NO PROFILE / 프로필 없음", ", ".join(report.facts.without_profile)))
    if report.facts.strangers:
        alarms.append(("NOT IN PROFILE / 프로필에 없음", ", ".join(report.facts.strangers)))
    if report.ingest.unclaimed_topics:
        alarms.append(("UNCLAIMED / 미등록 토픽", ", ".join(report.ingest.unclaimed_topics)))
    if report.facts.methods:
        differences = ", ".join(f"{table} {change}" for table, change in sorted(report.facts.methods.items()))
        days = sum(cause == METHOD_CHANGE for cause in report.facts.restated.values())
        text = f"{differences}; {days} final days restated / 확정된 {days}일 재산정"
        alarms.append(("METHOD / 산출 방법", text))
    if report.facts.restated:
        places = [
            f"{factory} {day} ({cause})" for (factory, day), cause in sorted(report.facts.restated.items())
        ]
        alarms.append(("RESTATED / 재산정", ", ".join(places)))
    if report.carbon.restated:
        named = [f"{name} ({cause})" for name, cause in sorted(report.carbon.restated.items())]
        alarms.append(("STATEMENT RESTATED / 배출량 재산정", ", ".join(named)))
    return alarms


def _gap_text(gap: dict[str, object]) -> str:
    end = "unknown" if gap["end_offset"] is None else gap["end_offset"]
    return (
        f"{gap['topic']}[{gap['partition']}] offsets {gap['first_offset']} to {end}: {gap['reason']};"
        " the broker no longer has them, read them from an archive if there is one"
        " / 브로커에 더 이상 없는 기록입니다. 보관본이 있으면 다시 읽으세요"
    )


def _counted(counts: dict[str, int], what: str) -> str:
    total = sum(counts.values())
    parts = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()) if n)
    return f"{total} {what}".strip() + (f" ({parts})" if parts else "")


def _by_stream(of_topics: Mapping[str, int]) -> dict[str, int]:
    """Add up the counts of topics by stream: nobody reads a line of hundreds of topics."""
    totals: Counter[str] = Counter()
    for topic, count in of_topics.items():
        totals[topic.rpartition(".")[2]] += count
    return totals


def _released(report: NightReport) -> str:
    statuses = ", ".join(f"{n} {status}" for status, n in sorted(report.releases.statuses.items()))
    found = report.releases
    more = "; a search reached its limit and withheld more than need be" if found.limited else ""
    if found.unmeetable:
        more += "; no choice met every demand of protection, so that more is withheld than need be"
    return f"{found.entries} new ledger entries" + (f" ({statuses})" if statuses else "") + more
