"""What members should know of sharing: one text, for their site and for docs/for-members.md.

Belongs here: reading the text and writing it as Markdown. Does not belong here: limits of any policy, which
no page names; how the site shows it (templates).
"""

from functools import cache
from pathlib import Path
from typing import Final, TypedDict

import yaml

from pipelines.domain.cluster import Language

_MADE: Final = "<!-- Made from pipelines/publish/for_members.yaml by `make docs`; a test compares them. -->"
_OTHER: Final[dict[Language, str]] = {"ko": "[English](for-members.md)", "en": "[한국어](for-members.ko.md)"}


class Section(TypedDict):
    """A heading with what is said below it; texts by language."""

    id: str
    heading: dict[Language, str]
    points: list[dict[Language, str]]


class Guide(TypedDict):
    """The whole text."""

    title: dict[Language, str]
    lead: dict[Language, str]
    sections: list[Section]


@cache
def guide() -> Guide:
    """Return the text."""
    text = (Path(__file__).parent / "for_members.yaml").read_text(encoding="utf-8")
    read: Guide = yaml.safe_load(text)
    return read


def guide_page(language: Language) -> str:
    """Return the text as a page of docs/."""
    text = guide()
    lines = [f"# {text['title'][language]}", "", _MADE, "", _OTHER[language], "", text["lead"][language]]
    for section in text["sections"]:
        lines += ["", f"## {section['heading'][language]}"]
        lines += [f"- {point[language]}" for point in section["points"]]
    return "\n".join(lines) + "\n"
