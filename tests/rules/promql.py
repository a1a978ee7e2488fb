"""What a PromQL expression reads: its selectors, and the labels that it groups and joins by.

Only as much of the language as it takes to find them; that an expression is right is Prometheus's
own word. Called by written.py for every expression of the rules and the board.
"""

import re
from collections import namedtuple

# kind is "selector" (metric, matchers) or "labels" (None, [names]).
Selector = namedtuple("Selector", "metric matchers")

TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<name>[A-Za-z_][A-Za-z0-9_:]*)
  | (?P<number>[0-9.]+[A-Za-z0-9]*|\$\w+|\$\{\w+\})
  | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^=<>(){}\[\],@:])
""", re.VERBOSE)

GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end"}
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "count_values", "group", "stddev", "topk", "bottomk", "quantile"}
MAKERS = {"count_values", "label_replace"}


class Unread(ValueError):
    """Something that this reader does not know."""


def tokens(text):
    place, found = 0, []
    while place < len(text):
        match = TOKEN.match(text, place)
        if not match:
            raise Unread(f"cannot read {text[place:place + 20]!r} in {text}")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found + [("end", "")] * 2


def read(text):
    """Selectors, labels of groupings, and labels that the expression makes itself."""
    stream, at = tokens(text), 0
    selectors, labels, makes = [], set(), False
    strings = []
    while stream[at][0] != "end":
        kind, word = stream[at]
        at += 1
        if kind == "string":
            strings.append(word[1:-1])
        if kind != "name" or word in WORDS:
            continue
        makes |= word in MAKERS
        following = stream[at][1]
        if word in GROUPING:
            if following == "(":
                names, at = listed(stream, at + 1)
                labels.update(names)
        elif following == "{":
            matchers, at = braces(stream, at + 1, text)
            selectors.append(Selector(word, matchers))
        elif following != "(" and word not in AGGREGATIONS:
            selectors.append(Selector(word, []))
    return selectors, labels, set(strings) if makes else set()


def listed(stream, at):
    names = []
    while stream[at][1] != ")":
        if stream[at][0] == "name":
            names.append(stream[at][1])
        at += 1
    return names, at + 1


def braces(stream, at, text):
    matchers = []
    while stream[at][1] != "}":
        if stream[at][1] == ",":
            at += 1
            continue
        (kind, label), (_, sign), (form, value) = stream[at:at + 3]
        if kind != "name" or form != "string" or sign not in ("=", "!=", "=~", "!~"):
            raise Unread(f"cannot read the matchers in {text}")
        matchers.append((label, sign, value[1:-1]))
        at += 3
    return matchers, at + 1
