"""One Prefect server for the tests of flows, and a small world to run a night in."""
# ruff: noqa: PLC0415 - Prefect reads its surroundings on import, and a fixture sets them first

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.api import set_surroundings
from flows.server import TemporaryServer

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Prefect's folder, chosen before anything imports Prefect."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            patch.delenv(name)
        patch.setenv("PREFECT_HOME", str(home))
        before = dict(os.environ)
        set_surroundings()
        yield home
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def prefect_api(prefect_home: Path) -> Iterator[str]:
    """The URL of the one server of these tests; in-process flows and started programs both use it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with TemporaryServer(prefect_home) as server, pytest.MonkeyPatch.context() as patch:
        import flows.nightly  # noqa: F401 - imported while the server starts

        server.wait()
        patch.setenv("PREFECT_API_URL", server.api_url)
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            yield server.api_url


@dataclass(frozen=True)
class World:
    """A folder with its own cluster definitions, store, archive and site.

    Args:
        folder: of everything.
    """

    folder: Path

    def changeable_files(self) -> dict[str, bytes]:
        """Return every file of the store's tables and of the site: what a night may change."""
        found = [*self.folder.glob("store/**/*.parquet"), *self.folder.glob("store/**/_delta_log/*.json")]
        found += [path for path in self.folder.glob("site/**/*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The demo cluster reduced to two factories, read from an archive."""
    clusters = tmp_path / "clusters"
    shutil.copytree(REPOSITORY / "infra" / "clusters", clusters)
    path = clusters / "changwon-demo.yaml"
    definition: dict[str, Any] = yaml.safe_load(path.read_text())
    definition["members"] = [m for m in definition["members"] if m["member"] in {"maru", "haneul"}]
    definition["gateways"] = definition["waivers"] = []
    path.write_text(yaml.safe_dump(definition, allow_unicode=True))
    for name in [name for name in os.environ if name.startswith("DC_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "CLUSTERS": clusters,
        "STORE": tmp_path / "store",
        "ARCHIVE": tmp_path / "archive",
    }.items():
        monkeypatch.setenv(f"DC_{name}", str(value))
    monkeypatch.setenv("DC_SITE", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    return World(tmp_path)
