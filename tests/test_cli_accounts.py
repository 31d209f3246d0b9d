"""The operator's commands for teams, users and settings: what they change is what the service does from then on."""

import re
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from app import cli, operating
from app.config import Settings
from tests import test_invitations, test_second_factors, test_sessions
from tests.apart import apart
from tests.commands import Run, Said, fails, runner
from tests.factories import World
from tests.test_sessions import give_password, me, sign_in

PASSWORD = "Osmanthus-by-the-lake-88"
ANOTHER = "Lantern-over-the-river-77"


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(settings, capsys)


def _new_user(world: World, *more: str) -> list[str]:
    return ["user", "create", "--org", world.code, "--username", "chen.yu", "--name", "陈雨", "--role", "agent", *more]


def _user(world: World, command: str, *more: str, of: str = "agent") -> list[str]:
    return ["user", command, "--org", world.code, "--username", of, *more]


async def _login(world: World, password: str = PASSWORD, username: str = "chen.yu") -> httpx.Response:
    device = {"id": "d", "name": "手机", "platform": "ios"}
    body = {"org": world.code, "username": username, "password": password, "device": device}
    return await world.client().post("/v1/auth/login", json=body)


async def _by_system(world: World, action: str) -> int:
    """How many audit events of this kind the operator left."""
    events = "SELECT count(*) FROM audit_events WHERE org_id = $1 AND action = $2 AND actor_kind = 'system'"
    count: int = await world.db.fetchval(events, world.org_id, action)
    return count


async def test_teams_form_a_tree_by_name(run: Run, world: World) -> None:
    assert (await run("team", "create", "--org", world.code, "--name", "三部", "--parent", "一部")).status == 0
    parent = "SELECT parent_id FROM teams WHERE org_id = $1 AND name = '三部'"
    assert await world.db.fetchval(parent, world.org_id) == world.teams["one"]
    fails(await run("team", "create", "--org", world.code, "--name", "三部"), "already")
    fails(
        await run("team", "create", "--org", world.code, "--name", "四部", "--parent", "五部"), "no sales team", "五部"
    )


async def test_new_user_can_log_in_and_works_in_his_team(run: Run, world: World) -> None:
    said = await run(*_new_user(world, "--team", "一部"), RENMAI_NEW_PASSWORD=PASSWORD)
    assert said.status == 0
    assert PASSWORD not in said.out + said.err
    answer = await _login(world)
    assert answer.status_code == 200
    me = (await world.client(answer.json()["access_token"]).get("/v1/me")).json()
    assert (me["name"], me["role"], UUID(me["team_id"])) == ("陈雨", "agent", world.teams["one"])


async def test_user_name_is_taken_once_per_organisation(run: Run, world: World, other_world: World) -> None:
    assert (await run(*_new_user(world), RENMAI_NEW_PASSWORD=PASSWORD)).status == 0
    fails(await run(*_new_user(world), RENMAI_NEW_PASSWORD=PASSWORD), "chen.yu", "taken")
    assert (await run(*_new_user(other_world), RENMAI_NEW_PASSWORD=PASSWORD)).status == 0


@pytest.mark.parametrize(("password", "why"), [("Lake-88", "too_short"), ("chen.yu-chen.yu", "context")])
async def test_weak_password_makes_no_user(run: Run, world: World, password: str, why: str) -> None:
    said = await run(*_new_user(world), RENMAI_NEW_PASSWORD=password)
    fails(said, why)
    assert password not in said.err
    users = "SELECT count(*) FROM users WHERE org_id = $1 AND username = 'chen.yu'"
    assert await world.db.fetchval(users, world.org_id) == 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("--org", "nowhere"), "nowhere"),
        (("--team", "没有的部门"), "没有的部门"),
        (("--username", "Chen Yu"), "user name"),
        (("--name", "两\n行"), "name"),
        (("--name", "某\x85"), "name"),
    ],
)
async def test_user_of_nothing_is_refused(run: Run, world: World, change: tuple[str, str], word: str) -> None:
    fails(await run(*_new_user(world, *change), RENMAI_NEW_PASSWORD=PASSWORD), word)


def test_password_is_asked_twice_and_never_shown(settings: Settings) -> None:
    with apart(settings) as patch:
        patch.delenv("RENMAI_NEW_PASSWORD", raising=False)
        args = ["user", "create", "--org", "nowhere", "--username", "ab", "--name", "某", "--role", "agent"]
        found = CliRunner().invoke(cli.app, args, input=f"{PASSWORD}\nanother\n{PASSWORD}\n{PASSWORD}\n")
    assert isinstance(found.exception, operating.CommandError), "it got as far as looking for the organisation"
    assert found.output.count("Password:") == 2
    assert PASSWORD not in found.output


async def test_disabled_user_is_out_at_once(run: Run, world: World) -> None:
    await run(*_new_user(world), RENMAI_NEW_PASSWORD=PASSWORD)
    token = (await _login(world)).json()["access_token"]
    for _ in range(2):  # the second time changes nothing
        assert (await run("user", "disable", "--org", world.code, "--username", "chen.yu")).status == 0
    assert (await _login(world)).status_code == 401
    assert (await world.client(token).get("/v1/me")).status_code == 401
    events = "SELECT count(*) FROM audit_events WHERE org_id = $1 AND action = 'user.disabled'"
    assert await world.db.fetchval(events, world.org_id) == 1


async def test_disabling_nobody_says_so(run: Run, world: World) -> None:
    fails(await run("user", "disable", "--org", world.code, "--username", "nobody"), "nobody")


async def test_service_team_stands_in_no_tree(run: Run, world: World) -> None:
    make = ["team", "create", "--org", world.code, "--name", "续期服务组", "--kind", "service"]
    fails(await run(*make, "--parent", "一部"), "below no other")
    assert (await run(*make)).status == 0
    kind = "SELECT kind FROM teams WHERE org_id = $1 AND name = '续期服务组'"
    assert await world.db.fetchval(kind, world.org_id) == "service"
    fails(await run(*_user(world, "move", "--team", "续期服务组")), "no sales team")
    fails(await run("team", "create", "--org", world.code, "--name", "五部", "--parent", "续期服务组"), "no sales team")


async def test_form_of_the_organisation_binds_the_operator_too(run: Run, world: World) -> None:
    assert (await run("org", "settings", "--org", world.code, "--password-form", "mlps")).status == 0
    plain = "kiesel am fluss bei nacht"
    fails(await run(*_new_user(world), RENMAI_NEW_PASSWORD=plain), "password_classes")
    fails(await run(*_user(world, "password"), RENMAI_NEW_PASSWORD=plain), "password_classes")
    assert (await run(*_new_user(world), RENMAI_NEW_PASSWORD=PASSWORD)).status == 0
    assert (await _login(world)).status_code == 200


async def test_enabled_user_gets_in_again(run: Run, world: World) -> None:
    await give_password(world)
    await run(*_user(world, "disable"))
    for _ in range(2):
        assert (await run(*_user(world, "enable"))).status == 0
    await sign_in(world)
    assert await _by_system(world, "user.enabled") == 1


async def test_role_and_team_count_at_once(run: Run, world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    assert (await run(*_user(world, "role", "--role", "manager"))).status == 0
    assert (await run(*_user(world, "move", "--team", "二部"))).status == 0
    assert await me(world, tokens) == 200
    body = (await world.client(tokens["access_token"]).get("/v1/me")).json()
    assert (body["role"], body["team_id"]) == ("manager", str(world.teams["two"]))
    assert await _by_system(world, "user.updated") == 2


async def test_another_password_ends_every_session(run: Run, world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    fails(await run(*_user(world, "password"), RENMAI_NEW_PASSWORD="agent-agent"), "too_short")
    assert await me(world, tokens) == 200
    said = await run(*_user(world, "password"), RENMAI_NEW_PASSWORD=ANOTHER)
    assert (said.status, ANOTHER in said.out + said.err) == (0, False)
    assert await me(world, tokens) == 401
    assert (await _login(world, ANOTHER, "agent")).status_code == 200
    assert await _by_system(world, "user.password_changed") == 1


async def test_invited_first_administrator_signs_in_and_invites(run: Run, world: World) -> None:
    args = ["--name", "林主任", "--role", "admin", "--team", "一部"]
    said = await run(*_user(world, "invite", *args, of="lin.yi"))
    token = said.out.strip()
    assert (said.status, re.fullmatch(r"rmi_[\w-]{64}", token) is not None) == (0, True), "stdout is the token alone"
    rows = (await world.admin.get("/v1/invitations")).json()["items"]
    assert [(row["username"], row["invited_by"]) for row in rows] == [("lin.yi", None)]
    assert (await test_invitations.accept(world, token, PASSWORD)).status_code == 204
    assert (await test_invitations.accept(world, token, PASSWORD)).status_code == 401
    client = world.client((await _login(world, username="lin.yi")).json()["access_token"])
    body = (await client.get("/v1/me")).json()
    assert (body["role"], body["name"], body["team_id"]) == ("admin", "林主任", str(world.teams["one"]))
    made = await client.post("/v1/invitations", json=test_invitations.INVITED)
    assert (made.status_code, made.json()["invited_by"]) == (201, body["id"])
    fails(await run(*_user(world, "invite", *args, of="lin.yi")), "username_taken")
    assert await _by_system(world, "invitation.created") == 1


async def test_token_for_a_new_password(run: Run, world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    token = (await run(*_user(world, "reset-password"))).out.strip()
    assert await me(world, tokens) == 200, "nothing has changed yet"
    assert (await test_invitations.accept(world, token, ANOTHER)).status_code == 204
    assert await me(world, tokens) == 401
    assert (await _login(world, ANOTHER, "agent")).status_code == 200


async def test_lost_second_factor_is_taken_away(run: Run, world: World) -> None:
    await give_password(world)
    fails(await run(*_user(world, "reset-second-factor")), "no second factor")
    await test_second_factors.enrolled(world)
    assert (await test_second_factors.attempt(world)).json()["code"] == "second_factor_required"
    assert (await run(*_user(world, "reset-second-factor"))).status == 0
    await sign_in(world)
    assert await _by_system(world, "second_factor.removed") == 1


async def test_sessions_are_listed_and_ended(run: Run, world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    lines = [line.split("\t") for line in (await run(*_user(world, "sessions"))).out.splitlines()]
    assert [(cells[0], cells[1], cells[3]) for cells in lines] == [
        (tokens["session_id"], "harmony", "测试手机"),
        (str(world.sessions["agent"]), "ios", "测试手机"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[0][2])
    assert (await run(*_user(world, "end-sessions"))).out == "Sessions of agent ended: 2.\n"
    assert await me(world, tokens) == 401
    assert (await run(*_user(world, "sessions"))).out == ""
    await sign_in(world)


async def test_everybody_is_listed_with_what_became_of_him(run: Run, world: World, other_world: World) -> None:
    await run(*_user(world, "disable", of="mate"))
    await world.db.execute("UPDATE users SET departed_on = '2026-01-31' WHERE id = $1", world.users["stranger"])
    lines = (await run("user", "list", "--org", world.code)).out.splitlines()
    assert lines == [
        "admin\tadmin\tactive\tadmin", "agent\tagent\tactive\tagent", "auditor\tauditor\tactive\tauditor",
        "manager\tmanager\tactive\tmanager", "mate\tagent\tdisabled\tmate", "stranger\tagent\tdeparted\tstranger",
    ]  # fmt: skip


async def test_way_back_from_device_keys_nobody_has(run: Run, world: World) -> None:
    await give_password(world)
    await world.db.execute("UPDATE org_settings SET is_dpop_required = true WHERE org_id = $1", world.org_id)
    assert (await _login(world, test_sessions.PASSWORD, "agent")).json()["code"] == "dpop_required"
    said = await run("org", "settings", "--org", world.code, "--no-dpop-required")
    assert "is_dpop_required: false\n" in said.out
    assert await me(world, await sign_in(world)) == 200
    assert await _by_system(world, "organization.updated") == 1


async def test_settings_are_shown_without_changing_them(run: Run, world: World) -> None:
    given = ["--session-idle-days", "3", "--session-absolute-days", "9", "--second-factor-required"]
    changed = await run("org", "settings", "--org", world.code, *given)
    assert changed == await run("org", "settings", "--org", world.code) == Said(
        0,
        "password_form: length\nis_dpop_required: false\nis_second_factor_required: true\n"
        "are_cross_agent_paths_allowed: false\nsession_idle_days: 3\nsession_absolute_days: 9\n",
        "",
    )  # fmt: skip
    assert await world.db.fetchval("SELECT version FROM org_settings WHERE org_id = $1", world.org_id) == 2
    assert (await run("org", "settings", "--org", world.code, "--session-idle-days", "8")).status == 2


_WITH_MORE = {"role": ("--role", "agent"), "move": ("--team", "二部")}
_OF_SOMEBODY = [
    "enable",
    "role",
    "move",
    "password",
    "reset-password",
    "reset-second-factor",
    "sessions",
    "end-sessions",
]


@pytest.mark.parametrize("command", _OF_SOMEBODY)
async def test_command_for_nobody_says_so(run: Run, world: World, command: str) -> None:
    args = _user(world, command, *_WITH_MORE.get(command, ()), of="nobody")
    fails(await run(*args, RENMAI_NEW_PASSWORD=PASSWORD), "no user 'nobody'")


@pytest.mark.parametrize("command", ["enable", "role", "move", "password", "reset-password"])
async def test_who_has_left_stays_away(run: Run, world: World, command: str) -> None:
    await world.db.execute("UPDATE users SET departed_on = '2026-01-31' WHERE id = $1", world.users["agent"])
    args = _user(world, command, *_WITH_MORE.get(command, ()))
    fails(await run(*args, RENMAI_NEW_PASSWORD=PASSWORD), "user_departed")
