"""What stands in the place of a withheld figure."""

from pipelines.domain.disclosure.gate import WITHHELD_SENTENCE


def test_the_sentence_names_no_rule_and_no_number() -> None:
    for sentence in WITHHELD_SENTENCE.values():
        assert not any(character.isdigit() for character in sentence)
    assert set(WITHHELD_SENTENCE) == {"ko", "en"}
