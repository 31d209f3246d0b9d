"""Asking a colleague for an introduction through a customer of his whom the caller does not see.

The colleague is told who asks, and about which customer of his: not whom the caller wants to meet. That is for the talk
between the two.
"""

from typing import Annotated

from pydantic import StringConstraints

from app.models.base import Wire
from app.models.network_paths import Colleague

_Token = Annotated[str, StringConstraints(min_length=20, max_length=400, pattern=r"^[A-Za-z0-9_-]+$")]


class PathRequestCreate(Wire):
    """Whose help is wanted: `request_token` of the unseen party of a path, good for a week and for its reader only.

    The colleague is told who asks and about which customer of his, not whom the caller wants to meet: that is for the
    talk between the two.
    """

    request_token: _Token


class PathRequestPublic(Wire):
    """The colleague has it on his list."""

    colleague: Colleague
