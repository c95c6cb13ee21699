"""Take passwords and tokens out of a command line before it is shown."""

from __future__ import annotations

import re
import shlex
from typing import Final

HIDDEN: Final = "HIDDEN"
"""What stands in the place of a secret; a word that a shell takes as it is."""
PASSWORD: Final = re.compile(r"//[^/@\s]*@")
"""The name and password of an address."""
SECRET_WORDS: Final = frozenset(
    {"token", "password", "passwd", "passphrase", "pwd", "secret", "secrets", "credential", "credentials", "apikey"}
    | {"auth", "authorization", "bearer", "cookie"}
)
NAME: Final = r"[A-Za-z][A-Za-z0-9_.-]*"
INSIDE: Final = re.compile(rf"""(?<![\w.-])({NAME})["']?\s*[=:]\s*["']?|(?<!\S)--?({NAME})\s+(?!--)""")
"""What stands before a value inside an argument: in an address, in JSON, in a command in a command."""
VALUE: Final = re.compile(r"""[^\s&;,"'}]*""")


def without_secrets(command: str) -> str:
    """Return a command line without passwords of addresses, and without values whose name says that they are secret.

    >>> without_secrets("ratesmith compare train.py -- --hf-token abc --api_key=def WANDB_API_KEY=ghi --lr 0.1")
    'ratesmith compare train.py -- --hf-token HIDDEN --api_key=HIDDEN WANDB_API_KEY=HIDDEN --lr 0.1'
    >>> without_secrets("ratesmith compare train.py --mlflow http://me:abc@host --strategy 'cosine(final=0.1)'")
    "ratesmith compare train.py --mlflow http://host --strategy 'cosine(final=0.1)'"
    """
    command = PASSWORD.sub("//", command)
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that is never closed: no shell's line
        words = command.split()
    shown, hide_next = [], False
    for word in words:
        name = re.fullmatch(rf"-*({NAME})=(.*)", word, re.DOTALL)
        if hide_next and not word.startswith("--"):
            word, hide_next = HIDDEN, False
        elif name and _is_secret(name[1]):
            word, hide_next = f"{word[: name.start(2)]}{HIDDEN}", False
        else:
            option = re.fullmatch(f"-+({NAME})", word)
            hide_next = option is not None and _is_secret(option[1])
            word = _inside(word)
        shown.append(word)
    # The line stays as it was written if there is nothing to hide.
    return command if shown == words else shlex.join(shown)


def _inside(word: str) -> str:
    """Return an argument without the secrets that are parts of it."""
    parts, end = [], 0
    for found in INSIDE.finditer(word):
        if found.start() >= end and _is_secret(found[1] or found[2]):
            parts += [word[end : found.end()], HIDDEN]
            value = VALUE.match(word, found.end())
            end = found.end() if value is None else value.end()
    return "".join([*parts, word[end:]])


def _is_secret(name: str) -> bool:
    """Whether a name says that its value is secret, as `HF_TOKEN`, `apiKey` and `model.secret` do, and not `tokens`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    parts = re.split(r"[._-]+", words.strip("._-"))
    endings = ("token", "password", "passwd", "secret", "apikey")
    return bool(SECRET_WORDS.intersection(parts)) or parts[-1] == "key" or parts[-1].endswith(endings)
