"""The one table of topics: name, message type, owner, rate, guarantee.

Sockets, endpoints, tests and the documentation derive from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mirror import messages


class Guarantee(Enum):
    """What a topic promises its readers."""

    NEWEST = "newest"  # one writer, any readers; a slow reader sees only the newest message
    EVERY = "every"  # any writers, one reader; nothing is lost while both live


@dataclass(frozen=True)
class Topic:
    """A stream of one message type.

    ``owner`` is the process that binds the socket: the writer of a NEWEST topic, the reader
    of an EVERY topic. ``rate_hz`` is the usual rate, 0 where it follows the source.
    """

    name: str
    schema: type[messages.Message]
    owner: str
    rate_hz: float
    guarantee: Guarantee


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic("frame", messages.Frame, "capture", 0.0, Guarantee.NEWEST),
        Topic("body", messages.Body, "inference", 0.0, Guarantee.NEWEST),
        Topic("outfit_request", messages.OutfitRequest, "render", 0.0, Guarantee.EVERY),
        Topic("weave", messages.WeaveRequest, "weaver", 0.0, Guarantee.EVERY),
        Topic("woven", messages.Woven, "render", 0.0, Guarantee.EVERY),
        Topic("worn", messages.Worn, "render", 2.0, Guarantee.NEWEST),
        Topic("shown", messages.Shown, "mirror", 0.0, Guarantee.EVERY),
        Topic("heartbeat", messages.Heartbeat, "mirror", 2.0, Guarantee.EVERY),
        Topic("credit", messages.Credit, "capture", 0.0, Guarantee.EVERY),
    )
}
