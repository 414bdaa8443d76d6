"""The import command as a sequence: publish a file, and with `ingest` bring it through ingest and facts.

Belongs here: putting the import together from settings. Does not belong here: reading files
(pipelines.jobs.importing).
"""

import sys
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipelines.connectors.aas import is_aas_file
from pipelines.connectors.registrations import StoredRegistrations
from pipelines.connectors.sent import StoredSentLog
from pipelines.domain.onramp import unusable
from pipelines.jobs.import_aas import AasImportReport, import_aas, read_aas_file
from pipelines.jobs.import_profiles import Profile, stored_profiles, topic_profiles
from pipelines.jobs.import_sending import ImportTarget
from pipelines.jobs.importing import ImportReport, import_file, load_mapping
from pipelines.jobs.night import Night
from pipelines.jobs.nightly import INGEST_AND_FACTS, NightReport, run_night
from pipelines.jobs.opening import open_night, open_sink, settings_registry
from pipelines.jobs.progress import Progress
from pipelines.reference.aas_mapping import aas_rows
from pipelines.reference.templates import load_templates
from pipelines.schemas.decode import MessageDecoder, reader_schema
from pipelines.settings import Settings

_STEPS = (*INGEST_AND_FACTS, "liveness")


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported.

    Args:
        path: CSV file, workbook, AASX package or AAS JSON file.
        mapping: mapping file, or the bare name of one that ships; of an AAS file: rows that join the packaged
            mapping, or null.
        factory: whose meter it is.
        cluster: the factory's cluster.
        ingest: whether ingest and facts follow at once.
    """

    path: Path
    mapping: Path | None
    factory: str
    cluster: str
    ingest: bool


def import_measurements(
    settings: Settings, request: ImportRequest, now: datetime, tell: Progress
) -> tuple[ImportReport | AasImportReport, NightReport | None]:
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
    report = _import(settings, request, night, target, now)
    if not request.ingest:
        return report, None
    # The cluster has the factory now. A file may span years, and is to be in the facts at once: no bound.
    registered = replace(open_night(settings, request.cluster, now, tell), max_days=sys.maxsize)
    return report, run_night(registered, settings.site, settings.lease_s, _STEPS)


def _import(
    settings: Settings, request: ImportRequest, night: Night, target: ImportTarget, now: datetime
) -> ImportReport | AasImportReport:
    profiles, others = _profiles_of(night, request.factory), night.other_clusters
    if is_aas_file(request.path):
        templates = load_templates([] if settings.templates is None else [settings.templates])
        content = read_aas_file(request.path, aas_rows(request.mapping), templates)
        factory, cluster = request.factory, night.cluster
        return import_aas(content, factory, cluster, to=target, profiles=profiles, now=now, others=others)
    if request.mapping is None:
        raise unusable(
            f"{request.path.name}: say by --mapping what its columns mean (docs/import.md)",
            f"{request.path.name}: 열의 뜻을 --mapping으로 알려 주세요(docs/import.md)",
        )
    return import_file(
        request.path,
        load_mapping(request.mapping),
        request.factory,
        night.cluster,
        to=target,
        profiles=profiles,
        now=now,
        others=others,
    )


def _profiles_of(night: Night, factory: str) -> list[Profile]:
    """Return a factory's profiles, those that only wait in its topic (imported without ingest) too."""
    decoder = MessageDecoder(
        reader_schema("profile", night.registry), night.registry, night.max_message_bytes
    )
    return [*stored_profiles(night.store, factory), *topic_profiles(night.source, decoder, factory)]
