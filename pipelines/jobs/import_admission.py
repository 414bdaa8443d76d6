"""Which factories may be imported where, and whose profile an import may start or change.

Belongs here: the refusals of an import by cluster and factory. Does not belong here: sending
(pipelines.jobs.import_sending), what a profile comes to say (pipelines.jobs.import_profiles).
"""

import re
from collections.abc import Sequence
from datetime import date

from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.onramp import unusable
from pipelines.jobs.import_profiles import Profile
from pipelines.schemas.streams import ID_PATTERN


def check_place(
    factory: str, cluster: ClusterDefinition, others: Sequence[ClusterDefinition], days: tuple[date, date]
) -> None:
    """Refuse a factory that the cluster may not take, or readings from when it was not in it.

    Args:
        factory: its id.
        cluster: where it is to be imported.
        others: the hub's other clusters.
        days: first and last local date of what is imported.

    Raises:
        OperatorError: it is no id, another cluster's factory, or not in the cluster on these days.
    """
    if re.fullmatch(ID_PATTERN, factory) is None:
        raise unusable(
            f"factory {factory!r} is no id: use a-z, 0-9 and hyphens, at most 40, such as steel-1",
            f"공장 id {factory!r}이(가) 올바르지 않습니다. a-z, 0-9, 하이픈으로 40자까지 쓰세요(예: steel-1)",
        )
    owner = next((o.cluster for o in others if o.member_of(factory) is not None), None)
    if cluster.open_to_imports:
        if owner is not None and owner != cluster.cluster:
            raise unusable(
                f"factory {factory} belongs to cluster {owner}: use --cluster {owner}, or another id",
                f"공장 {factory}은(는) 클러스터 {owner} 소속입니다. --cluster {owner}나 다른 id를 쓰세요",
            )
        return
    spans = [f for f in cluster.factories if f.factory == factory]
    if not spans:
        raise unusable(
            f"cluster {cluster.cluster} does not list factory {factory}: add it to the cluster's file, or "
            "import without --cluster",
            f"클러스터 {cluster.cluster}에 공장 {factory}이(가) 없습니다. 클러스터 파일에 추가하거나 "
            "--cluster 없이 가져오세요",
        )
    if not any(span.belongs_on(days[0]) and span.belongs_on(days[1]) for span in spans):
        raise unusable(
            f"factory {factory} is not in cluster {cluster.cluster} from {days[0]} to {days[1]}; cut the "
            "file, or mend joined in the cluster's file",
            f"공장 {factory}은(는) {days[0]}부터 {days[1]}까지 클러스터 {cluster.cluster}에 있지 않습니다. "
            "파일을 자르거나 클러스터 파일의 joined를 고치세요",
        )


def check_may_profile(
    cluster: ClusterDefinition, factory: str, known: Sequence[Profile], new: Sequence[Profile]
) -> None:
    """Leave the profile of a factory that speaks for itself alone: an import may start one, not change it.

    Raises:
        OperatorError: the import would change it.
    """
    if known and new and not cluster.open_to_imports:
        raise unusable(
            f"the profile of factory {factory} lacks this meter or begins after the file; let the factory "
            "send a profile with it first",
            f"공장 {factory}의 프로필에 이 계량기가 없거나 프로필이 파일보다 늦게 시작합니다. "
            "먼저 공장의 프로필을 고쳐 보내세요",
        )
