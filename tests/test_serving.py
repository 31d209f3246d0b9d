"""What a person at the terminal is told when the service starts, and when it cannot."""

import asyncio
import socket

import pytest
import uvicorn

from app import serving
from app.config import Settings
from app.domain.demo_world import USERS
from app.serving import DemoAccess

SETTINGS = Settings(_env_file=None)


def _said(capsys: pytest.CaptureFixture[str], settings: Settings, access: DemoAccess | None) -> str:
    serving.welcome(settings, 8123, access)
    captured = capsys.readouterr()
    assert captured.out == "", "stdout belongs to the log"
    return captured.err


def test_welcome_names_the_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, SETTINGS, None)
    assert "http://127.0.0.1:8123/docs" in said
    assert "password" not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_welcome_shows_an_address_one_can_open(capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert "http://127.0.0.1:8123 " in _said(capsys, SETTINGS.model_copy(update={"host": host}), None)


def test_welcome_lists_every_demo_login(capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, SETTINGS, DemoAccess("the-word-4711", "rmk_test_x"))
    assert all(user.username in said and user.name in said for user in USERS)
    assert "wuhan" in said
    assert "the-word-4711" in said
    assert "rmk_test_x" in said


def test_welcome_invents_no_password_and_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, SETTINGS, DemoAccess(None, None))
    assert "RENMAI_DEMO_PASSWORD" in said
    assert SETTINGS.demo_password.get_secret_value() not in said
    assert "rmk_" not in said


def test_welcome_is_silent_in_production(capsys: pytest.CaptureFixture[str]) -> None:
    assert _said(capsys, SETTINGS.model_copy(update={"environment": "production"}), None) == ""


def test_access_is_not_in_its_repr() -> None:
    assert "4711" not in repr(DemoAccess("the-word-4711", "rmk_4711"))


async def _nothing(scope: object, receive: object, send: object) -> None:
    raise AssertionError("nobody calls")


def _server(port: int, heard: list[int]) -> uvicorn.Server:
    config = uvicorn.Config(_nothing, port=port, lifespan="off", log_config=None)
    config.load()
    server = serving._Server(config, heard.append)
    server.lifespan = config.lifespan_class(config)
    return server


async def test_server_tells_the_port_it_was_given() -> None:
    heard: list[int] = []
    server = _server(0, heard)
    await server.startup()
    _, writer = await asyncio.open_connection("127.0.0.1", heard[0])
    writer.close()
    await writer.wait_closed()
    await server.shutdown()


async def test_taken_port_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[int] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit):
            await _server(port, heard).startup()
    assert capsys.readouterr().err == f"renmai: cannot listen on 127.0.0.1:{port}; set RENMAI_PORT to a free port\n"
    assert heard == []
