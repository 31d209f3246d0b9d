"""Security events: what a person who watches the service must hear of, as log lines and as a counter.

An event that concerns somebody is an audit event too (`audit.record` calls `note`). A line carries ids, codes and route
templates: never a name, an address or what was typed.
"""

import logging

from prometheus_client import Counter

from app import logs

# The only values of the counter's label. True: worth a warning.
EVENTS = {
    "access.refused": True,
    "customer.revealed": False,
    "customers.exported": False,
    "departure.recorded": False,
    "invitation.accepted": False,
    "invitation.created": False,
    "invitation.refused": True,
    "network.exported": False,
    "organization.updated": False,
    "second_factor.confirmed": False,
    "second_factor.removed": False,
    "session.ended": False,
    "session.guesses_exhausted": True,
    "session.login_refused": True,
    "session.opened": False,
    "session.proof_refused": True,
    "session.refresh_reused": True,
    "session.second_factor_asked": False,
    "session.step_up_refused": True,
    "session.stepped_up": False,
    "user.disabled": False,
    "user.enabled": False,
    "user.password_changed": False,
    "user.sessions_ended": False,
    "user.updated": False,
}
_COUNT = Counter("renmai_security_events", "Security events", ["event"], registry=logs.REGISTRY)


def note(event: str, **fields: logs.Field) -> None:
    """Count the event and write its line.

    Args:
        event: one of `EVENTS`.
        fields: ids and codes.
    """
    level = logging.WARNING if EVENTS[event] else logging.INFO
    _COUNT.labels(event).inc()
    logs.event("security", level=level, action=event, **fields)
