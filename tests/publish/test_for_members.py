"""The page that tells members what is shared, and its copies in docs/."""

import re
from pathlib import Path

from pipelines.domain.cluster import Language
from pipelines.publish.for_members import guide, guide_page
from tests.publish.conftest import MEMBERS, Page

DOCS = Path(__file__).parents[2] / "docs"
LANGUAGES: tuple[Language, ...] = ("ko", "en")
# "fewer than 10", "10+", the first of the month, "never as zero": nothing of a policy.
PUBLIC_NUMBERS = {"10", "1", "0"}


def test_every_member_page_leads_to_it_and_the_operator_s_do_not(pages: dict[str, Page]) -> None:
    for member, *_ in MEMBERS:
        for page in ("index", "about", "for-members"):
            assert "for-members.html" in pages[f"{member}/{page}.html"].links
    assert "operator/for-members.html" not in pages
    assert "for-members.html" not in pages["operator/index.html"].links


def test_it_says_all_points_in_both_languages(pages: dict[str, Page]) -> None:
    for language in LANGUAGES:
        text = pages["naru/for-members.html"].text(language)
        for section in guide()["sections"]:
            assert " ".join(section["heading"][language].split()) in text
            assert all(" ".join(point[language].split()) in text for point in section["points"])


def test_it_names_no_number_of_a_policy() -> None:
    for language in LANGUAGES:
        body = guide_page(language).split("-->")[1]
        assert set(re.findall(r"\d+", body)) <= PUBLIC_NUMBERS


def test_the_read_mes_lead_to_it() -> None:
    assert "docs/for-members.md" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert "docs/for-members.ko.md" in (DOCS.parent / "README.ko.md").read_text(encoding="utf-8")
