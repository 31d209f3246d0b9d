"""The benchmark's world: one organisation with agents, customers and relationships, all invented.

Rows are made here and copied in, because a service that writes 100,000 profiles would take minutes. What the service
derives at every write (search words, sort keys, masked copies) is derived with the same rules, once per name of a
pool, and what it seals is sealed. The same seed always gives the same names, numbers and edges; only ids, times and
keys differ.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app import migrate
from app.domain import identity, names
from app.keyring import Keyring
from bench.sealing import Sealer, make_keys

AGENTS_PER_TEAM = 10
TEAMS_PER_BRANCH = 5
NAMES = 3000
_SEED = 20261123
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈"
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文辉玲志国永庆雪梅海燕晓东春生子涵宇轩欣怡浩然思远佳琪俊"
)
_COMPANIES = ("贸易有限公司", "科技有限公司", "餐饮管理有限公司", "建材有限公司", "物流有限公司")
_JOBS = ("教师", "工程师", "医生", "个体经营", "会计", "公务员", "退休", "司机", "设计师", "律师", None)
_TAGS = ("vip", "转介绍", "已婚", "有车", "二孩", "企业主", "老客户", "待回访")
_STAGES = ("contact", "contact", "prospect", "prospect", "customer", "investor")
_TYPES = ("relative", "friend", "friend", "client", "partner", "ally")
_DISTRICTS = ("江岸区", "江汉区", "硚口区", "汉阳区", "武昌区", "青山区", "洪山区", "东西湖区")

_PREFIXES = ("135", "136", "137", "138", "139", "150", "151", "158", "159", "186", "188")

_CUSTOMER_COLUMNS = [
    "org_id",
    "id",
    "created_at",
    "updated_at",
    "owner_id",
    "party_type",
    "stage",
    "stage_changed_at",
    "name",
    "name_key",
    "search_text",
    "gender",
    "birthday",
    "occupation",
    "private_enc",
    "phones_bi",
    "phones_bi_ver",
    "masked",
    "tags",
    "created_digest",
]
_EDGE_COLUMNS = [
    "org_id",
    "id",
    "left_id",
    "right_id",
    "type",
    "direction",
    "declared_strength",
    "strength",
    "warmth",
    "created_digest",
]


@dataclass(frozen=True, slots=True)
class Name:
    """A name with what is derived from it."""

    text: str
    key: str
    words: str
    is_company: bool


@dataclass(slots=True)
class Agent:
    """A signed-in agent and the ids of his customers."""

    id: UUID
    session_id: UUID
    customers: list[UUID] = field(default_factory=list)


@dataclass(slots=True)
class World:
    """What the load is made from."""

    org_id: UUID
    agents: list[Agent]
    edges: int

    @property
    def customers(self) -> int:
        return sum(len(agent.customers) for agent in self.agents)


@cache
def name_pool() -> list[Name]:
    """The names everybody in the world bears: nine persons to one company."""
    dice = random.Random(_SEED)
    made: dict[str, bool] = {}
    while len(made) < NAMES:
        if len(made) % 10 == 9:
            made["江城" + "".join(dice.choices(_GIVEN, k=2)) + dice.choice(_COMPANIES)] = True
        else:
            made[dice.choice(_SURNAMES) + "".join(dice.choices(_GIVEN, k=dice.choice((1, 2, 2))))] = False
    return [Name(text, names.name_sort_key(text), names.search_words(text), company) for text, company in made.items()]


def queries() -> list[str]:
    """What agents type: surnames, whole names, pinyin, initials, the tail of a phone number."""
    dice = random.Random(_SEED + 1)
    wanted: list[str] = []
    for name in dice.sample([name for name in name_pool() if not name.is_company], 40):
        words = name.words.split()
        wanted += [name.text[:1], name.text, name.text[1:], *words[len(name.text) : len(name.text) + 2]]
        wanted.append(f"{dice.randrange(10_000):04d}")
    return wanted


def phone_number(dice: random.Random) -> str:
    """A mobile number in E.164 that nobody was asked for."""
    return f"+86{dice.choice(_PREFIXES)}{dice.randrange(10**8):08d}"


def id_number(serial: int) -> str:
    """A resident ID number with a right check digit (GB 11643), a different one for every serial up to 300,000."""
    days, order = divmod(serial, 1000)
    month, day = divmod(days, 28)
    body = f"110105{1950 + month // 12}{month % 12 + 1:02}{day + 1:02}{order:03}"
    return body + identity.id_check_character(body)


async def fill(db: asyncpg.Connection, ring: Keyring, *, agents: int, customers: int, edges: int) -> World:
    """Make the world over a superuser's connection, which may skip the foreign-key checks of rows known to be right."""
    dice = random.Random(_SEED + 2)
    org_id = uuid7()
    await db.execute("SET session_replication_role = replica")
    await db.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'bench', '测速机构')", org_id)
    await migrate.seed_relation_types(db, org_id)
    sealer = await make_keys(db, ring, org_id)
    world = World(org_id, await fill_agents(db, org_id, agents), edges)
    await _fill_customers(db, world, sealer, dice, customers)
    await _fill_edges(db, world, dice, edges)
    # The trail the service would have left, so that a new event goes into an index of a realistic size.
    await db.execute(
        "INSERT INTO feed (org_id, scope, collection, id, xid, removed) "
        "SELECT org_id, owner_id, 'customers', id, pg_current_xact_id(), false FROM customers"
    )
    await db.execute(
        "INSERT INTO audit_events (org_id, id, actor_id, actor_kind, action, object_type, object_id, detail, "
        "request_id, person_id) SELECT org_id, id, owner_id, 'user', 'customer.created', 'customer', id, "
        "jsonb_build_object('stage', stage), id::text, id FROM customers"
    )
    await db.execute("RESET session_replication_role")
    await db.execute("VACUUM (ANALYZE)")
    await db.execute("CHECKPOINT")
    return world


async def fill_agents(db: asyncpg.Connection, org_id: UUID, count: int) -> list[Agent]:
    teams = [(org_id, uuid7(), f"营业部{n + 1}") for n in range(-(-count // AGENTS_PER_TEAM))]
    branches = [(org_id, uuid7(), f"支公司{n + 1}") for n in range(-(-len(teams) // TEAMS_PER_BRANCH))]
    await db.copy_records_to_table("teams", columns=["org_id", "id", "name"], records=branches)
    await db.copy_records_to_table(
        "teams",
        columns=["org_id", "id", "name", "parent_id"],
        records=[(*team, branches[n // TEAMS_PER_BRANCH][1]) for n, team in enumerate(teams)],
    )
    agents = [Agent(uuid7(), uuid7()) for _ in range(count)]
    await db.copy_records_to_table(
        "users",
        columns=["org_id", "id", "username", "name", "role", "team_id", "password_hash"],
        records=[
            (org_id, agent.id, f"agent{n}", f"代理人{n}", "agent", teams[n // AGENTS_PER_TEAM][1], "-")
            for n, agent in enumerate(agents)
        ],
    )
    later = datetime.now(UTC) + timedelta(days=7)
    columns = [
        "org_id",
        "id",
        "user_id",
        "device_id",
        "device_name",
        "platform",
        "idle_expires_at",
        "absolute_expires_at",
    ]
    await db.copy_records_to_table(
        "sessions",
        columns=columns,
        records=[(org_id, agent.session_id, agent.id, "bench", "测速手机", "ios", later, later) for agent in agents],
    )
    return agents


async def _fill_customers(
    db: asyncpg.Connection, world: World, sealer: Sealer, dice: random.Random, count: int
) -> None:
    """Customers over three years; those of one agent lie scattered, as they would after three years of work."""
    owners = [world.agents[n % len(world.agents)] for n in range(count)]
    dice.shuffle(owners)
    moment, step = datetime.now(UTC) - timedelta(days=1000), timedelta(days=1000) / count

    def records() -> list[tuple[object, ...]]:
        made = []
        for n, owner in enumerate(owners):
            at = moment + n * step
            customer_id = _id_at(dice, at)
            owner.customers.append(customer_id)
            profile = _profile(sealer, customer_id, dice, at, phone_number(dice))
            made.append((world.org_id, customer_id, at, at, owner.id, *profile))
        return made

    await db.copy_records_to_table("customers", columns=_CUSTOMER_COLUMNS, records=records())
    await db.copy_records_to_table(
        "person_keys",
        columns=["org_id", "person_id", "version", "wrapped"],
        records=[
            (world.org_id, customer, 1, sealer.wrapped(customer))
            for agent in world.agents
            for customer in agent.customers
        ],
    )


def _id_at(dice: random.Random, at: datetime) -> UUID:
    """A UUIDv7 (RFC 9562) of that moment: ids in the order of time keep the primary key dense, as in service."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | dice.getrandbits(12) << 64 | 2 << 62 | dice.getrandbits(62))


def _profile(sealer: Sealer, customer_id: UUID, dice: random.Random, at: datetime, number: str) -> tuple[object, ...]:
    name = dice.choice(name_pool())
    phone = {"number": number, "kind": "mobile", "label": None}
    place = {
        "kind": "home",
        "province": "湖北省",
        "city": "武汉市",
        "county": dice.choice(_DISTRICTS),
        "postcode": None,
    }
    mails = [{"address": f"bench{number[-6:]}@example.com", "kind": "home"}] if dice.random() < 0.3 else []
    masked = {
        "phones": [{**phone, "number": identity.mask_phone(number)}],
        "emails": [{**mail, "address": identity.mask_email(mail["address"])} for mail in mails],
        "addresses": [{**place, "detail": None}],
    }
    birthday = {"year": dice.randint(1945, 2005), "month": dice.randint(1, 12), "day": dice.randint(1, 28)}
    return (
        "organization" if name.is_company else "individual",
        dice.choice(_STAGES),
        at,
        name.text,
        name.key,
        f"{name.words}#{number[:-5:-1]} ",
        None if name.is_company else dice.choice(("male", "female")),
        None if name.is_company else _json({**birthday, "calendar": "solar", "leap_month": False}),
        dice.choice(_JOBS),
        sealer.private(
            customer_id,
            phones=[phone],
            emails=mails,
            addresses=[{**place, "detail": f"解放大道{dice.randint(1, 2000)}号"}],
            note="周末下午方便电话,先谈孩子的教育金。" if dice.random() < 0.5 else None,
        ),
        sealer.phones([number]),
        1,
        _json(masked),
        dice.sample(_TAGS, dice.randint(0, 3)),
        bytes(32),
    )


async def _fill_edges(db: asyncpg.Connection, world: World, dice: random.Random, count: int) -> None:
    """Families and companies inside an agent's customers, some bridges to those of others, a few hubs everywhere."""
    everybody = [customer for agent in world.agents for customer in agent.customers]
    total, own = len(everybody), len(everybody) // len(world.agents)
    hubs = dice.sample(range(total), max(1, total // 500))
    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        left, luck = dice.randrange(total), dice.random()
        if luck < 0.45:
            right = left + dice.randint(1, 6)  # a household or a circle of friends
        elif luck < 0.75:
            right = left - left % own + dice.randrange(own)
        elif luck < 0.9:
            right = dice.randrange(total)
        else:
            right = dice.choice(hubs)
        if right < total and left != right:
            seen.add((left, right) if everybody[left] < everybody[right] else (right, left))
    strengths = [Decimal(n) / 1000 for n in range(50, 1000)]
    digest = bytes(32)
    drawn = [(pair, dice.choice(_TYPES), dice.choice(strengths)) for pair in seen]
    await db.copy_records_to_table(
        "relationships",
        columns=_EDGE_COLUMNS,
        records=[
            (
                world.org_id,
                uuid7(),
                everybody[left],
                everybody[right],
                kind,
                kind,
                strength,
                strength,
                round(strength * Decimal("0.765"), 3),
                digest,
            )
            for (left, right), kind, strength in drawn
        ],
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
