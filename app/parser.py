"""The HTTP parser of the server, with refusals in the words and headers of the house.

What cannot be parsed never becomes a request, so no layer of ours sees it: the server answers it itself, in plain text
and without any header of ours. It is answered here as every other error is.
"""

from typing import Any

from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import AppError, Malformed, UriTooLong, problem
from app.logs import DEFAULT_HEADERS

_MAX_URL_BYTES = 65_535  # what the parser can count; shorter addresses reach the guard, which allows far less


class Parser(HttpToolsProtocol):  # type: ignore[misc, unused-ignore]  # uvicorn's class is typed Any where it is absent
    """The parser the service is tested with; the other one that uvicorn knows repairs what is to be refused."""

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no request, and end the connection. Nothing of `msg` or of the bytes is told."""
        request_id = str(uuid7())
        error: AppError = UriTooLong() if len(self.url) > _MAX_URL_BYTES else Malformed()
        body, headers = problem(error, language="zh-CN", request_id=request_id)
        lines: list[tuple[bytes, bytes]] = [
            *self.server_state.default_headers,
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            *DEFAULT_HEADERS,
            (b"x-request-id", request_id.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        transport: Any = self.transport
        transport.write(STATUS_LINE[error.status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body)
        transport.close()
