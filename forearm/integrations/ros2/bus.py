"""Topics of ROS 2 over DDS: messages come and go as ROS nodes send them, with no ROS installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import new_class
from typing import Any

import numpy as np

from forearm.errors import ForearmError, InputError, one_line
from forearm.integrations.ros2.definitions import NAMES, built, fields

DOMAINS = 232
"""Numbers from 0 on that ROS 2 allows for a domain."""
ON_THIS_MACHINE = """<CycloneDDS><Domain id="any">
<General><Interfaces><NetworkInterface address="127.0.0.1" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>32</MaxAutoParticipantIndex>
<Peers><Peer address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>"""


@cache
def message_type(name: str) -> Any:
    """The DDS type of a ROS 2 message, under the name that ROS 2 gives it on the wire; `ForearmError` without a DDS."""
    from rosbags.interfaces import Nodetype

    try:
        from cyclonedds import idl
        from cyclonedds.idl import types as idl_types
    except ModuleNotFoundError:
        raise ForearmError(NAMES) from None
    types: Any = idl_types  # its own annotations do not say that these take arguments

    def kind(form: tuple[Any, Any]) -> Any:
        node, inner = form
        if node == Nodetype.NAME:
            return message_type(inner)
        if node == Nodetype.SEQUENCE:
            return types.sequence[kind(inner[0])]
        if node == Nodetype.ARRAY:
            return types.array[kind(inner[0]), inner[1]]
        return {"string": str, "bool": bool, "octet": types.byte}.get(inner[0]) or getattr(types, inner[0])

    package, _, short = name.split("/")
    space = {"__annotations__": {field: kind(form) for field, form in fields(name)}, "__module__": __name__}
    wire = {"typename": f"{package}::msg::dds_::{short}_"}  # read while the class is prepared, so not by type(...)
    return dataclass(new_class(short, (idl.IdlStruct,), wire, lambda body: body.update(space)))


class Bus:
    """A participant in a domain of ROS 2.

    Args:
        domain: what ROS calls ROS_DOMAIN_ID.
        local: stay on this machine's loopback; False: go by `CYCLONEDDS_URI` or DDS's defaults, to the network.

    Raises:
        ForearmError: no DDS is installed, or it does not start.
        InputError: there is no such domain.
    """

    def __init__(self, domain: int = 0, local: bool = True) -> None:
        if not 0 <= domain <= DOMAINS:
            raise InputError(f"domain is {domain}: ROS 2 has domains 0 to {DOMAINS}")
        try:
            from cyclonedds.core import DDSException
            from cyclonedds.domain import Domain, DomainParticipant
        except ModuleNotFoundError:
            raise ForearmError(NAMES) from None
        try:
            self._domain = Domain(domain, ON_THIS_MACHINE) if local else None
            self.participant = DomainParticipant(domain)
        except DDSException as error:
            raise ForearmError(f"DDS does not start in domain {domain}: {one_line(error)}") from error

    def publisher(self, topic: str, name: str) -> "Publisher":
        """Sends messages of type `name` on a topic such as `/joint_states`, reliably."""
        return Publisher(self, topic, name)

    def subscription(self, topic: str, name: str) -> "Subscription":
        """Receives messages of type `name`, from whoever publishes reliably or by best effort."""
        return Subscription(self, topic, name)


class Publisher:
    """One topic to write to; see `Bus.publisher`."""

    def __init__(self, bus: Bus, topic: str, name: str) -> None:
        from cyclonedds.core import Policy, Qos
        from cyclonedds.pub import DataWriter
        from cyclonedds.topic import Topic
        from cyclonedds.util import duration

        self.bus, self.name = bus, name  # kept: with the bus ends all that hangs on it
        qos = Qos(Policy.Reliability.Reliable(duration(milliseconds=100)), Policy.History.KeepLast(1))
        self._writer = DataWriter(
            bus.participant, Topic(bus.participant, wire_name(topic), message_type(name)), qos=qos
        )

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message of plain values."""
        self._writer.write(built(self.name, message, message_type, lambda given, _: np.asarray(given).tolist()))

    @property
    def heard(self) -> int:
        """How many subscribers there are."""
        return len(self._writer.get_matched_subscriptions())


class Subscription:
    """One topic to read from; see `Bus.subscription`."""

    def __init__(self, bus: Bus, topic: str, name: str) -> None:
        from cyclonedds.core import Policy, Qos
        from cyclonedds.sub import DataReader
        from cyclonedds.topic import Topic

        self.bus = bus
        qos = Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(100))
        self._reader = DataReader(
            bus.participant, Topic(bus.participant, wire_name(topic), message_type(name)), qos=qos
        )

    def taken(self) -> list[Any]:
        """All messages since the last call, oldest first; each has the fields of its type as attributes."""
        from cyclonedds.internal import InvalidSample

        return [sample for sample in self._reader.take(N=1000) if not isinstance(sample, InvalidSample)]


def wire_name(topic: str) -> str:
    """What ROS 2 calls a topic on the wire; raises `InputError` for what is no name of one."""
    name = topic.removeprefix("/")
    if not name or not all(part.isidentifier() for part in name.split("/")):
        raise InputError(f"topic '{topic}' is no name of a topic: expected words joined by '/', such as /joint_states")
    return f"rt/{name}"
