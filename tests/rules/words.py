"""The closed sets of words that labels have, as the sources declare them with `labels!`.

Called by hold.py: a matcher in a rule or the board that asks for a word that is never said would
select nothing for ever, and nobody would notice.
"""

import re
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"

# What each label's words are called in the sources; words of no enum stand behind a plus.
SETS = {
    ("client_hellos", "offered"): "Offered",
    ("client_hellos", "verdict"): "Judged",
    ("client_hellos", "reason"): "Reason+none",
    ("client_hellos", "lane"): "LaneKind",
    ("whatif_failures", "reason"): "Reason",
    ("handshakes", "alpn"): "Alpn",
    ("handshakes", "cipher"): "Cipher",
    ("handshakes", "group"): "Group",
    ("handshakes", "resumed"): "+true+false",
    ("handshake_duration_seconds", "resumed"): "+true+false",
    ("handshake_failures", "reason"): "HandshakeFailure",
    ("tickets", "result"): "TicketResult",
    ("legacy_connections", "outcome"): "LegacyOutcome",
    ("rollout_stage", "stage"): "StageKind",
    ("plain_http_rollout_stage", "stage"): "StageKind",
    ("requests", "protocol"): "Protocol",
    ("requests", "tls_version"): "ServedVersion",
    ("requests", "code"): "CODES+other",
    ("upstream_requests", "outcome"): "UpstreamOutcome",
    ("upstream_retries", "reason"): "RetryReason",
    ("upstream_health_checks", "outcome"): "CheckOutcome",
    ("plain_http_requests", "action"): "Plain",
    ("plain_http_requests", "credentials"): "Credentials",
    ("proxy_headers", "result"): "ProxyHeaderResult",
    ("http2_abuse", "kind"): "Abuse",
    ("limits", "limit"): "Limit",
    ("config_loads", "result"): "+success+failure",
    ("connections_open", "listener"): "ListenerKind",
}


def declared():
    """Each enum's words."""
    found = {}
    for file in sorted(SOURCES.rglob("*.rs")):
        text = file.read_text()
        for block in re.findall(r"labels! \{(.*?)\n\}", text, re.DOTALL):
            name = re.search(r"enum (\w+)", block)[1]
            found[name] = set(re.findall(r'^\s+\w+ = "([^"]+)"', block, re.MULTILINE))
        for codes in re.findall(r"const CODES: \[u16; \d+\] = \[(.*?)\]", text, re.DOTALL):
            found["CODES"] = set(re.findall(r"\d+", codes))
    return found


def closed():
    """The words of each label that has a closed set, by metric (without prefix) and label."""
    enums = declared()
    sets = {}
    for key, written in SETS.items():
        name, *more = written.split("+")
        sets[key] = set(more) | (enums[name] if name else set())
    return sets


def unsaid(words, sign, value):
    """What of a matcher's value stands for no word of the set; the empty value is no label."""
    parts = value.split("|") if sign in ("=~", "!~") else [re.escape(value)]
    return [part for part in parts if part and not any(re.fullmatch(part, word) for word in words)]
