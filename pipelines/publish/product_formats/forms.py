"""The forms of a product's footprint by name.

Belongs here: the list. Does not belong here: anything about one of them.
"""

from collections.abc import Mapping
from typing import Final

from pipelines.publish.product_formats import catenax, cbam, idta, pact
from pipelines.publish.product_formats.form import ProductForm

PRODUCT_FORMS: Final[Mapping[str, ProductForm]] = {
    "pact": pact.FORM,
    "catenax": catenax.FORM,
    "idta": idta.FORM,
    "cbam": cbam.FORM,
}
