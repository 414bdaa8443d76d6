"""A submodel of the Asset Administration Shell (AAS, metamodel 3), written as JSON and as AASX package.

Belongs here: plain trees as objects of the AAS library, its files. Does not belong here: what a template asks
(pipelines.publish.product_formats.idta), reading (aas).
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipelines.connectors.aas import AasLibrary, aas_library

AasValue = str | float | Decimal | datetime


@dataclass(frozen=True)
class AasProperty:
    """A value.

    Args:
        id_short: its name; null in a list.
        meaning: semantic id.
        value: text, double, decimal or moment.
        value_id: of a value from a list of values; null: it is from none.
    """

    id_short: str | None
    meaning: str
    value: AasValue
    value_id: str | None = None


@dataclass(frozen=True)
class AasGroup:
    """Elements below one name: a list if its items share a meaning, a collection else.

    Args:
        id_short: its name; null in a list.
        meaning: semantic id.
        items: in order.
        item_meaning: semantic id of each item of a list; null: it is a collection.
    """

    id_short: str | None
    meaning: str
    items: tuple["AasProperty | AasGroup", ...]
    item_meaning: str | None = None


@dataclass(frozen=True)
class AasDocument:
    """A shell with one submodel.

    Args:
        shell_id: id of the shell.
        asset: id of the asset that it is about.
        submodel: id of the submodel.
        id_short: its name.
        meaning: semantic id of the submodel.
        template: id of the template that it follows.
        version: of the template, and its revision.
        description: language -> text.
        extensions: name -> text: what the template has no field for.
        elements: of the submodel.
    """

    shell_id: str
    asset: str
    submodel: str
    id_short: str
    meaning: str
    template: str
    version: tuple[str, str]
    description: Mapping[str, str]
    extensions: Mapping[str, str]
    elements: tuple[AasProperty | AasGroup, ...]


def aas_files(document: AasDocument) -> dict[str, bytes]:
    """Return ending -> content; equal documents give equal bytes.

    Raises:
        OperatorError: SETTINGS: the library is not installed.
    """
    library = aas_library()
    model = library.model
    submodel = _submodel(model, document)
    shell = model.AssetAdministrationShell(
        model.AssetInformation(model.AssetKind.TYPE, document.asset),
        document.shell_id,
        submodel={model.ModelReference.from_referable(submodel)},
    )
    store = model.DictIdentifiableStore([shell, submodel])
    text = io.StringIO()
    library.json.write_aas_json_file(text, store, indent=1, ensure_ascii=False)
    return {".json": text.getvalue().encode() + b"\n", ".aasx": _package(library, shell.id, store)}


def _package(library: AasLibrary, shell: str, store: Any) -> bytes:  # noqa: ANN401 - the library has no types
    buffer = io.BytesIO()
    with library.aasx.AASXWriter(buffer, failsafe=False) as writer:
        writer.write_aas(shell, store, library.aasx.DictSupplementaryFileContainer(), write_json=True)
    return buffer.getvalue()


def _submodel(model: Any, document: AasDocument) -> Any:  # noqa: ANN401 - the library has no types
    version, revision = document.version
    return model.Submodel(
        document.submodel,
        [_element(model, element) for element in document.elements],
        id_short=document.id_short,
        description=model.MultiLanguageTextType(dict(document.description)),
        administration=model.AdministrativeInformation(version, revision, template_id=document.template),
        semantic_id=_reference(model, document.meaning),
        extension=[model.Extension(name, str, text) for name, text in document.extensions.items()],
    )


def _element(model: Any, element: AasProperty | AasGroup) -> Any:  # noqa: ANN401 - the library has no types
    meaning = _reference(model, element.meaning)
    if isinstance(element, AasProperty):
        value_id = None if element.value_id is None else _reference(model, element.value_id)
        kind = _value_type(model, element.value)
        return model.Property(element.id_short, kind, element.value, value_id, semantic_id=meaning)
    items = [_element(model, item) for item in element.items]
    if element.item_meaning is None:
        return model.SubmodelElementCollection(element.id_short, items, semantic_id=meaning)
    return model.SubmodelElementList(
        element.id_short,
        type(items[0]),
        items,
        semantic_id_list_element=_reference(model, element.item_meaning),
        value_type_list_element=getattr(items[0], "value_type", None),
        semantic_id=meaning,
    )


def _value_type(model: Any, value: AasValue) -> Any:  # noqa: ANN401 - the library has no types
    types = {str: str, float: model.datatypes.Double, Decimal: model.datatypes.Decimal}
    return types.get(type(value), model.datatypes.DateTime)


def _reference(model: Any, value: str) -> Any:  # noqa: ANN401 - the library has no types
    return model.ExternalReference((model.Key(model.KeyTypes.GLOBAL_REFERENCE, value),))
