"""The peers of a factory without a meter: whose released figure may stand in for its own.

Belongs here: which groups of a month a factory is in, and whether they make what it makes. Does not belong
here: how groups are formed (pipelines.domain.peer_groups), the estimate (emissions.peer_estimate).

A released kWh per unit doesn't say of which product class it is: of that of most holdings. So a group serves
only if all its factories that name one class name the factory's, counted in the same unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipelines.domain.cluster import ClusterDefinition
from pipelines.domain.emissions.peer_estimate import Refusal
from pipelines.domain.peer_groups import PeerGroup, panel_of, peer_groups

NOT_IN_PANEL, METERED, NO_PROCESS = "not_in_panel", "metered", "no_process"
NO_CLASS, SEVERAL_CLASSES = "no_product_class", "mixed_product_classes"
OTHER_PRODUCTS: Final = "other_products"
_PROCESS: Final = "process"


@dataclass(frozen=True)
class Product:
    """What output is counted in.

    Args:
        product_class: as profiles name it.
        unit: of the quantity.
    """

    product_class: str
    unit: str


@dataclass(frozen=True)
class Plant:
    """What the profiles of a factory say of a month.

    Args:
        metered: whether it has an electricity meter.
        products: kinds of its products, as far as they name a class.
    """

    metered: bool
    products: frozenset[Product]

    @property
    def product(self) -> Product | None:
        """The one kind that it makes; null: none is named, or several."""
        return next(iter(self.products)) if len(self.products) == 1 else None


def closest_groups(
    cluster: ClusterDefinition,
    factory: str,
    month: date,
    plants: Mapping[str, Plant],
    processes: Mapping[str, str],
) -> tuple[PeerGroup, ...] | Refusal:
    """Return the groups by process whose figure may stand in for a factory's, the fewest factories first.

    Args:
        cluster: its definition.
        factory: whose peers.
        month: its first date.
        plants: by factory, those of the month; who has no profile is not in it.
        processes: by factory, as profiles say; counts where the definition names none.

    Returns:
        The groups, or why there is none: `not_in_panel` (not of the cluster on the month's first day),
        `metered`, `no_product_class`, `mixed_product_classes` (of its own), `no_process`, `other_products`
        (its groups make other things, or count them in another unit).
    """
    own = plants.get(factory, Plant(metered=False, products=frozenset()))
    if factory not in panel_of(cluster, month):
        return Refusal((NOT_IN_PANEL,))
    if own.metered:
        return Refusal((METERED,))
    if own.product is None:
        return Refusal((SEVERAL_CLASSES if own.products else NO_CLASS,))
    groups = [
        group
        for group in peer_groups(cluster, month, processes)
        if factory in group.factories and _PROCESS in group.breakdown.split("-")
    ]
    if not groups:
        return Refusal((NO_PROCESS,))
    same = [group for group in groups if _makes_only(group, own.product, plants)]
    ordered = sorted(same, key=lambda g: (len(g.factories), g.breakdown, g.group))
    return tuple(ordered) if ordered else Refusal((OTHER_PRODUCTS,))


def _makes_only(group: PeerGroup, product: Product, plants: Mapping[str, Plant]) -> bool:
    """Say whether a group makes one kind of thing; who makes several, or names none, has no say."""
    made = (plants[f].product for f in group.factories if f in plants)
    return {kind for kind in made if kind is not None} == {product}
