"""The import command as a sequence: publish a file, and with `ingest` bring it through ingest and facts.

Belongs here: putting the import together from settings. Does not belong here: reading files
(pipelines.jobs.importing).
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.connectors.registrations import StoredRegistrations
from pipelines.connectors.sent import StoredSentLog
from pipelines.jobs.import_profiles import Profile, stored_profiles, topic_profiles
from pipelines.jobs.importing import ImportReport, ImportTarget, import_file, load_mapping
from pipelines.jobs.night import Night
from pipelines.jobs.nightly import INGEST_AND_FACTS, NightReport, run_night
from pipelines.jobs.opening import open_night, open_sink, settings_registry
from pipelines.jobs.progress import Progress
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.settings import Settings


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported.

    Args:
        path: CSV file or workbook.
        mapping: mapping file, or the bare name of one that ships.
        factory: whose meter it is.
        cluster: the factory's cluster.
        ingest: whether ingest and facts follow at once.
    """

    path: Path
    mapping: Path
    factory: str
    cluster: str
    ingest: bool


def import_measurements(
    settings: Settings, request: ImportRequest, now: datetime, tell: Progress
) -> tuple[ImportReport, NightReport | None]:
    """Publish a file and, if asked, bring it through ingest and facts.

    Raises:
        OperatorError: file, mapping, factory, cluster, sink or store don't fit.
    """
    night = open_night(settings, request.cluster, now, tell)
    sink = open_sink(settings)
    sink.sink.ensure_topics([])  # a first import makes its archive; without one no profile can be looked up
    target = ImportTarget(
        name=sink.name,
        sink=sink.sink,
        registry=settings_registry(settings),
        sent=StoredSentLog(night.store.objects),
        registrations=StoredRegistrations(night.store.objects),
    )
    report = import_file(
        request.path,
        load_mapping(request.mapping),
        request.factory,
        night.cluster,
        to=target,
        profiles=_profiles_of(night, request.factory),
        now=now,
        others=night.other_clusters,
    )
    if not request.ingest:
        return report, None
    registered = open_night(settings, request.cluster, now, tell)
    return report, run_night(registered, settings.site, settings.lease_s, INGEST_AND_FACTS)


def _profiles_of(night: Night, factory: str) -> list[Profile]:
    """Return a factory's profiles, those that only wait in its topic (imported without ingest) too."""
    decoder = MessageDecoder(
        reader_schema("profile", night.registry), night.registry, night.max_message_bytes
    )
    return [*stored_profiles(night.store, factory), *topic_profiles(night.source, decoder, factory)]
