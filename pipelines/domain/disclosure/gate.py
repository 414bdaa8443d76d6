"""What everybody reads in the place of a figure that the gate withholds.

Belongs here: the one sentence. Does not belong here: the decision (release) and its reasons, which appear in
no published output.
"""

from typing import Final

# One sentence for all: which rule bit, and its threshold, would themselves give something away.
WITHHELD_SENTENCE: Final[dict[str, str]] = {
    "ko": "개별 참여기업의 값을 보호하기 위해 공개하지 않습니다.",
    "en": "Not shown, to protect the figures of single members.",
}
