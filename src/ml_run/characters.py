r"""Characters that nobody typed and nobody sees: which they are, and writing them out.

One table for all who ask, each for its own reason: what comparing two texts ignores, what is worth a finding in a text
and what must not reach a terminal or a report as it is.
"""

import re

_CONTROLS = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
"""Cc, without the blanks among them."""
_BLANK_CONTROLS = "\x09-\x0d\x1c-\x1f\x85"
_LINE_BREAKS = "\u2028\u2029"
_SURROGATES = "\ud800-\udfff"
"""Halves of a pair: no characters, and nothing that can be encoded."""
_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Turn the reading direction of what follows."""
_HIDDEN = "\u00ad\u180e\u200b\u2060-\u2064\ufeff"
"""Soft hyphens, zero-width blanks and the like: no orthography needs them."""
_JOINERS = "\u200c\u200d"
"""Zero-width, and needed by scripts (Arabic, Indic) and by emoji."""
_OTHER_IGNORABLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u206a-\u206f\u3164\ufe00-\ufe0f\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""The rest of Unicode's Default_Ignorable_Code_Point (fillers, variation selectors, tags), and annotation marks."""
_NO_CHARACTERS = "\ufffe\uffff"

IGNORED = re.compile(f"[{_CONTROLS}{_DIRECTION}{_HIDDEN}{_JOINERS}{_OTHER_IGNORABLE}]")
"""Makes no difference when two texts are compared: controls that are no blanks, and all default ignorables."""
INVISIBLE = re.compile(f"[{_CONTROLS}\x0b\x0c\x1c-\x1f{_DIRECTION}{_HIDDEN}{_JOINERS}]")
"""Worth a finding in a text: all but blanks, line breaks and what emoji are made with."""
_WRITTEN_OUT = re.compile(
    f"[{_CONTROLS}{_BLANK_CONTROLS}{_LINE_BREAKS}{_SURROGATES}{_DIRECTION}{_HIDDEN}{_NO_CHARACTERS}]"
)


def visible(text: str) -> str:
    r"""`text` on one line, with what could act on a terminal, a parser or the reading direction written out.

    Escape sequences, lone surrogates, direction overrides and what nobody sees appear as `\x1b`, `\udc80`, `\u202e`,
    `\u200b`; joiners and marks that scripts need stay. The result can always be encoded.
    """
    return _WRITTEN_OUT.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def visible_lines(text: str) -> str:
    """`visible`, line by line."""
    return "\n".join(visible(line) for line in text.split("\n"))
