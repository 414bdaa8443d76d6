"""The demo's cluster file says of each factory what its profile says."""

from pipelines.connectors.clusters import load_cluster
from pipelines.demo.plants import PLANTS
from pipelines.demo.session import DEMO_CLUSTER
from pipelines.schemas.contracts import packaged_folder


def test_the_definition_and_the_profiles_of_the_demo_say_the_same() -> None:
    cluster = load_cluster(packaged_folder("infra") / "clusters", DEMO_CLUSTER)
    said = {f.factory: [(t.process, t.size, t.maturity) for t in f.traits] for f in cluster.factories}
    # The contract of profiles writes intermediate1, a cluster file intermediate-1.
    assert said == {
        p.factory: [(p.process, p.size_class, p.maturity.replace("intermediate", "intermediate-"))]
        for p in PLANTS.values()
    }
    assert all(t.since <= f.joined and t.region is not None for f in cluster.factories for t in f.traits)
