"""Which parameter a person means: by its name, by what else it is called, by the words about it.

Every word of the question is looked for by itself; a word that begins another is worth less than the
word itself, and one that is nearly another (a slip of the finger) less still.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from engine.domain.declarations import Parameter

_NAME: Final = 1.0
_SYNONYM: Final = 0.9
_HEADING: Final = 0.5
_WORDS: Final = 0.3
_PART: Final = 0.7
_SLIP: Final = 0.5
_NEAR: Final = 0.8
_WHOLE: Final = 0.98


class Found(NamedTuple):
    """A parameter somebody may mean. ``score`` is above 0 and at most 1."""

    namespace: str
    parameter: Parameter
    score: float


class Entry(NamedTuple):
    """A parameter with the words it is found by. ``phrases``: its name and synonyms, whole."""

    namespace: str
    parameter: Parameter
    phrases: frozenset[str]
    words: dict[str, float]


Index = tuple[Entry, ...]


def index(parameters: Iterable[tuple[str, str, Parameter]]) -> Index:
    """What ``search`` reads, of (namespace, title of it, parameter)."""
    return tuple(_entry(*one) for one in parameters)


def search(entries: Index, text: str) -> list[Found]:
    """Every parameter that some word of the text leads to, best first; equals in the catalogue's order."""
    asked = _split(text)
    if not asked:
        return []
    found = [Found(entry.namespace, entry.parameter, _score(entry, asked)) for entry in entries]
    if not any(one.score for one in found):
        found = [Found(entry.namespace, entry.parameter, _nearly(entry, asked)) for entry in entries]
    return sorted((one for one in found if one.score), key=lambda one: -one.score)


def _entry(namespace: str, title: str, parameter: Parameter) -> Entry:
    words: dict[str, float] = {}
    texts = (
        (_NAME, parameter.name),
        (_SYNONYM, " ".join(parameter.synonyms)),
        (_HEADING, f"{namespace} {title} {parameter.group}"),
        (_WORDS, f"{parameter.description} {parameter.impact} {parameter.when_to_change} {parameter.unit}"),
    )
    for worth, text in texts:
        for word in _split(text):
            words.setdefault(word, worth)
    phrases = frozenset(" ".join(_split(text)) for text in (parameter.name, *parameter.synonyms))
    return Entry(namespace, parameter, phrases, words)


def _score(entry: Entry, asked: list[str]) -> float:
    if " ".join(asked) == " ".join(_split(entry.parameter.name)):
        return 1.0
    if " ".join(asked) in entry.phrases:
        return _WHOLE
    worths = [max(entry.words.get(word, 0.0), _beginning(entry, word)) for word in asked]
    # Two words of three in a name say more than one word of one in a description; 0.95: never as much as a whole name.
    return 0.95 * sum(worths) / len(asked)


def _beginning(entry: Entry, part: str) -> float:
    if len(part) < 2:
        return 0.0
    return _PART * max((worth for word, worth in entry.words.items() if word.startswith(part)), default=0.0)


def _nearly(entry: Entry, asked: list[str]) -> float:
    known = [word for word, worth in entry.words.items() if worth >= _SYNONYM]
    near = [difflib.get_close_matches(word, known, n=1, cutoff=_NEAR) for word in asked]
    return _SLIP * sum(1 for match in near if match) / len(asked)


def _split(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())
