"""AASX packages and AAS JSON files as plain trees.

Belongs here: opening files by the AAS library, its objects as our elements. Does not belong here: what the
elements mean (pipelines.domain.aas).
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pipelines.domain.aas import AasElement, AasSubmodel
from pipelines.domain.onramp import unusable
from pipelines.domain.outcomes import ExitCode, OperatorError

AAS_SUFFIXES = (".aasx", ".json")
_LANGUAGES = ("ko", "en")
_SHOWN_CHARACTERS = 160


def is_aas_file(path: PurePath) -> bool:
    """Tell whether a file is one of AAS by its name: an AASX package or JSON."""
    return path.suffix.lower() in AAS_SUFFIXES


def read_aas(name: str, content: bytes) -> list[AasSubmodel]:
    """Read every submodel of an AAS file of metamodel 3, in the order of their ids.

    Templates (submodels that only describe others) are left out.

    Args:
        name: the file's name, for its suffix and for errors.
        content: its bytes.

    Raises:
        OperatorError: it can't be read, or has no submodel; the library is not installed.
    """
    library = aas_library()
    store = library.model.DictIdentifiableStore()
    try:
        if name.lower().endswith(".aasx"):
            with library.aasx.AASXReader(io.BytesIO(content), failsafe=False) as reader:
                reader.read_into(store, library.aasx.DictSupplementaryFileContainer())
        else:
            library.json.read_aas_json_file_into(store, io.BytesIO(content), failsafe=False)
    except Exception as error:  # whatever the library stumbles over, the file is at fault
        raise _unreadable(name, error) from error
    found = _submodels(library.model, list(store))
    if not found:
        raise unusable(
            f"{name}: there is no submodel of AAS metamodel 3 in it; export it as AASX or JSON of version 3",
            f"{name}: AAS 메타모델 3의 서브모델이 없습니다. 버전 3의 AASX나 JSON으로 내보내세요",
        )
    return found


class AasLibrary:
    """The parts of the AAS library that are used."""

    def __init__(self, model: Any, aasx: Any, json: Any) -> None:  # noqa: ANN401 - the library has no types
        self.model = model
        self.aasx = aasx
        self.json = json


def aas_library() -> AasLibrary:
    """Return the library.

    Raises:
        OperatorError: SETTINGS: it isn't installed.
    """
    try:
        from basyx.aas import model  # noqa: PLC0415 - only the on-ramp needs it
        from basyx.aas.adapter import aasx, json  # noqa: PLC0415
    except ImportError as error:
        raise OperatorError(
            "AAS files need the package basyx-python-sdk: install digital-cluster[onramp]",
            "AAS 파일에는 basyx-python-sdk 패키지가 필요합니다. digital-cluster[onramp]를 설치하세요",
            ExitCode.SETTINGS,
        ) from error
    return AasLibrary(model, aasx, json)


def _unreadable(name: str, error: Exception) -> OperatorError:
    detail = " ".join(str(error).split())[:_SHOWN_CHARACTERS]
    return unusable(
        f"{name}: is no AAS file of metamodel 3 ({type(error).__name__}: {detail}); export it anew",
        f"{name}: AAS 메타모델 3 파일이 아닙니다({type(error).__name__}: {detail}). 다시 내보내세요",
    )


def _submodels(model: Any, objects: Iterable[Any]) -> list[AasSubmodel]:  # noqa: ANN401 - untyped library
    found = sorted(objects, key=lambda o: o.id)
    units = {
        o.id: unit for o in found if isinstance(o, model.ConceptDescription) for unit in _units(model, o)
    }
    owners: dict[str, set[str | None]] = {}
    for shell in (o for o in found if isinstance(o, model.AssetAdministrationShell)):
        for reference in shell.submodel:
            owners.setdefault(reference.key[-1].value, set()).add(shell.id_short)
    reader = _Elements(model, units)
    return [
        AasSubmodel(reader.element(o), _only(owners.get(o.id, set())))
        for o in found
        if isinstance(o, model.Submodel) and o.kind is not model.ModellingKind.TEMPLATE
    ]


def _only(owners: set[str | None]) -> str | None:
    return next(iter(owners)) if len(owners) == 1 else None


def _units(model: Any, concept: Any) -> Iterable[str]:  # noqa: ANN401 - untyped library
    for specification in concept.embedded_data_specifications:
        content = specification.data_specification_content
        if isinstance(content, model.DataSpecificationIEC61360) and content.unit:
            yield content.unit


class _Elements:
    """Turns the library's elements into ours."""

    def __init__(self, model: Any, units: Mapping[str, str]) -> None:  # noqa: ANN401 - untyped library
        self._model = model
        self._units = units

    def element(self, source: Any) -> AasElement:  # noqa: ANN401 - untyped library
        meanings = self._meanings(source)
        return AasElement(
            id_short=self._id_short(source),
            semantic_ids=meanings,
            value=self._value(source),
            children=tuple(self.element(child) for child in self._children(source)),
            unit=next((self._units[m] for m in meanings if m in self._units), None),
            qualifiers={q.type: str(q.value) for q in source.qualifier if q.value is not None},
        )

    def _id_short(self, source: Any) -> str | None:  # noqa: ANN401 - untyped library
        """Return the idShort; the library gives items of lists one of its own."""
        in_list = isinstance(getattr(source, "parent", None), self._model.SubmodelElementList)
        return None if in_list else source.id_short

    def _meanings(self, source: Any) -> tuple[str, ...]:  # noqa: ANN401 - untyped library
        references = [source.semantic_id, *source.supplemental_semantic_id]
        return tuple(r.key[-1].value.strip() for r in references if r is not None)

    def _children(self, source: Any) -> Iterable[Any]:  # noqa: ANN401 - untyped library
        if isinstance(source, self._model.Submodel):
            yield from source.submodel_element
        elif isinstance(source, (self._model.SubmodelElementCollection, self._model.SubmodelElementList)):
            yield from source.value
        elif isinstance(source, self._model.Entity):
            yield from source.statement

    def _value(self, source: Any) -> str | None:  # noqa: ANN401 - untyped library
        if isinstance(source, self._model.Property):
            return None if source.value is None else str(self._model.datatypes.xsd_repr(source.value))
        if isinstance(source, self._model.MultiLanguageProperty) and source.value:
            texts: dict[str, str] = dict(source.value)
            return next((texts[lang] for lang in _LANGUAGES if lang in texts), next(iter(texts.values())))
        return None
