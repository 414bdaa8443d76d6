"""What decoding needs of a schema registry, and the error when it can't be asked.

Belongs here: the protocol, so that schemas import no connector. Does not belong here: clients of a registry
(pipelines.connectors.registry).
"""

from typing import Protocol

from pipelines.domain.outcomes import ExitCode, OperatorError


class RegistryUnavailable(OperatorError):  # noqa: N818 - says what holds: the registry can't be asked now
    """The registry gave no answer: neither "here is the schema" nor "there is no such schema".

    Args:
        registry: where it was asked: a URL without credentials, or a folder.
        cause: what came instead of an answer.
    """

    def __init__(self, registry: str, cause: str) -> None:
        super().__init__(
            f"schema registry {registry} gave no answer ({cause}): start it or mend DC_SCHEMA_REGISTRY_*, "
            "then run again; what could not be decoded waits in its topic",
            f"스키마 레지스트리 {registry}가 응답하지 않습니다({cause}): 레지스트리나 "
            "DC_SCHEMA_REGISTRY_* 설정을 확인한 뒤 다시 실행하세요. "
            "아직 해석하지 못한 메시지는 토픽에 그대로 남아 있습니다",
            ExitCode.PARTIAL,
        )
        self.registry = registry
        self.cause = cause

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # type: ignore[override]
        """Survive pickling with this class's own arguments."""
        return (type(self), (self.registry, self.cause))


class Registry(Protocol):
    """Schemas by id. Implementations pickle (Beam workers open their own) and keep what they were told."""

    def text(self, schema_id: int) -> str | None:
        """Return the Avro schema of an id as JSON text; null: the registry says that there is no such id.

        Raises:
            RegistryUnavailable: it could not be asked.
        """

    def register(self, subject: str, schema: str) -> int:
        """Return the id of a schema under a subject (its Avro full name); a new schema gets a new id.

        Raises:
            RegistryUnavailable: it could not be asked.
            OperatorError: it refuses the schema, or is read-only.
        """

    def latest(self, subject: str) -> str | None:
        """Return the newest schema of a subject as JSON text; null: the registry knows no such subject.

        Raises:
            RegistryUnavailable: it could not be asked.
        """
