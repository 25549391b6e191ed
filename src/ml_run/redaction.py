"""Keeping secrets out of what people and files get to see."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

MASK = "***"
# scheme://user:password@host. The password may hold anything up to the last @, as SQLAlchemy reads it; what looks like
# a port in a web address (https://host:8080/path@version) is none.
_PASSWORD = re.compile(r"((?<!http)(?<!https)://[^\s:/@]*:)(\S+)(?=@)")
_WEB_PASSWORD = re.compile(r"(https?://[^\s:/@]*:)(?!\d{1,5}/)(\S+)(?=@)")
# https://token@host: for web addresses, a user without a password is a token.
_TOKEN = re.compile(r"(https?://)([^\s:/@]+)(?=@)")
_PARAMETER = re.compile(
    r"(?i)([?&](?:[\w-]*(?:password|passphrase|passwd|token|secret|credential|signature|(?:api|access|account)[_-]?key)"
    r"|pass|pwd|sig|key)=)([^&#\s]+)"
)
_PATTERNS = (_PASSWORD, _WEB_PASSWORD, _TOKEN, _PARAMETER)
_PLACEHOLDER = re.compile(r"\$\{\w+\}")
_SHORTEST_SECRET = 4


def uri_passwords(text: str) -> list[str]:
    """The passwords and tokens in the URIs that `text` holds, as written and percent-decoded; `${NAME}` is none."""
    found = [match[2] for pattern in _PATTERNS for match in pattern.finditer(text)]
    found = [password for password in found if password != MASK and not _PLACEHOLDER.fullmatch(password)]
    return [*found, *(decoded for password in found if (decoded := unquote(password)) != password)]


def mask_uris(text: str) -> str:
    """`text` with every password and token of a URI replaced by `***`; `${NAME}` in its place is kept."""
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: match[0] if _PLACEHOLDER.fullmatch(match[2]) else f"{match[1]}{MASK}", text)
    return text


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with the secrets and the passwords of URIs replaced by `***`.

    Args:
        text: anything that is about to be shown or written.
        secrets: known secrets; those shorter than four characters are left, since hiding every `5` hides the message.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return mask_uris(text)
