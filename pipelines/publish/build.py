"""Building the content of the whole site from the store's frames.

Belongs here: the one call that jobs make before writing. Does not belong here: reading tables, HTML.
"""

import polars as pl

from pipelines.domain.outcomes import ExitCode, OperatorError
from pipelines.publish.content import OPERATOR, SiteContent, SiteInputs
from pipelines.publish.member_view import member_content
from pipelines.publish.operator_view import operator_content
from pipelines.publish.senders import current_factories


def build_content(inputs: SiteInputs) -> SiteContent:
    """Build the content of every audience: the operator and each member with a factory on the closed day.

    Raises:
        OperatorError: a member is called like the operator's audience, so their folders would be one.
    """
    if any(member.member == OPERATOR for member in inputs.cluster.members):
        cluster = inputs.cluster.cluster
        raise OperatorError(
            f"cluster {cluster}: a member has the reserved id {OPERATOR!r}: give it another id",
            f"클러스터 {cluster}: 회원사 ID로 예약어 {OPERATOR!r}가 쓰였습니다: 다른 ID로 바꾸십시오",
            ExitCode.INCONSISTENT,
        )
    operator = operator_content(inputs)
    present = {factory.member for factory in current_factories(inputs)}
    members = sorted(
        (m for m in inputs.cluster.members if m.member in present), key=lambda member: member.member
    )
    return SiteContent(
        cluster=inputs.cluster.cluster,
        name_ko=inputs.cluster.name_ko,
        name_en=inputs.cluster.name_en,
        zone=inputs.cluster.zone,
        day=inputs.day,
        nominal=inputs.nominal,
        status=day_status(inputs),
        operator=operator,
        members=tuple(member_content(inputs, member) for member in members),
    )


def day_status(inputs: SiteInputs) -> str | None:
    """Say whether the closed day is provisional (any factory's is) or final; null: it has no facts.

    The figures' own marks don't say it: tonnes stay provisional while their factor is carried forward.
    """
    statuses = set(inputs.facts_energy.filter(pl.col("day") == inputs.day)["status"].drop_nulls().to_list())
    if not statuses:
        return None
    return "provisional" if "provisional" in statuses else "final"
