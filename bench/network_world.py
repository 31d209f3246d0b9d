"""The network's world in a database: one organisation, its agents, customers and shadow contacts, and their ties.

The rows are what the service would have written (one form of each fact, warmth by the formula of
`refresh_relationships.sql`, shadow contacts with nothing on them), but without the trail of audit and feed, which no
network read looks at. The same seed gives the same graph, names and numbers; ids and times follow the clock.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from scipy import sparse
from uuid_utils.compat import uuid7

from app import migrate
from app.domain import identity
from app.keyring import Keyring
from bench import network_copy as copy
from bench.network_graph import KINDS, NEVER, Graph, Ints, build
from bench.sealing import Sealer, make_keys
from bench.world import Agent, fill_agents, name_pool

SEED = 20261127
USUAL = range(290, 311)  # customers of an agent "with 300 customers"
_BATCH = 50_000
_STAGES = ("contact", "contact", "prospect", "prospect", "customer", "investor")
_JOBS = ("教师", "工程师", "医生", "个体经营", "会计", "公务员", "退休", "司机", "设计师", "律师", r"\N")
_TIERS = ("mvc", "mgc", "mgc", "lvc", "lvc", "bz", r"\N", r"\N", r"\N", r"\N")
_TAGS = ("{}", "{}", "{vip}", "{转介绍}", "{老客户,有车}", "{二孩,待回访}")
_DISTRICTS = ("江岸区", "江汉区", "硚口区", "汉阳区", "武昌区", "青山区", "洪山区", "东西湖区")
_NOTES = (None, None, None, "一起打球认识的,常聚。", "孩子同班,家长会上熟的。")
_ROLES = (*[None] * 9, "大学同学")
_CUSTOMER_COLUMNS = (
    "org_id", "id", "created_at", "updated_at", "owner_id", "party_type", "stage", "stage_changed_at", "tier", "name",
    "name_key", "search_text", "gender", "birthday", "occupation", "private_enc", "phones_bi", "phones_bi_ver",
    "masked", "tags", "is_shadow", "known_through_id", "keep_until", "created_digest",
)  # fmt: skip
_MANAGERS = 20
_OFFICERS = """
WITH made AS (
    INSERT INTO users (org_id, id, username, name, role, team_id, password_hash)
    SELECT $1, o.id, 'officer' || o.place, '主管' || o.place, CASE o.place WHEN 1 THEN 'admin' ELSE 'manager' END,
           t.id, '-'
    FROM unnest($2::uuid[]) WITH ORDINALITY AS o (id, place)
    JOIN (SELECT t.id, row_number() OVER (ORDER BY t.id) AS place FROM teams t
          WHERE t.org_id = $1 AND t.parent_id IS NOT NULL) t ON t.place = o.place
    RETURNING id
)
INSERT INTO sessions (org_id, id, user_id, device_id, device_name, platform, idle_expires_at, absolute_expires_at)
SELECT $1, gen_random_uuid(), made.id, 'bench', '测速手机', 'ios', now() + interval '7 days', now() + interval '7 days'
FROM made
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
WHERE i.indrelid = $1::text::regclass AND NOT i.indisprimary
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""


@dataclass(slots=True)
class NetworkWorld:
    """What the measurement draws its inputs from. `customers` of an agent are his own, without shadow contacts."""

    org_id: UUID
    agents: list[Agent]
    nodes: int
    edges: int
    admin: Agent
    managers: list[tuple[Agent, list[Agent]]]  # each with the agents of his team
    contacts: dict[UUID, list[UUID]]  # by agent: whom he has without knowing them
    by_degree: list[UUID]  # nodes drawn with a chance proportional to their ties
    anybody: list[UUID]  # nodes drawn evenly

    @property
    def customers(self) -> int:
        return sum(len(agent.customers) for agent in self.agents)

    def usual(self) -> list[Agent]:
        """The agents with about 300 customers; in a world too small for one, all."""
        return [agent for agent in self.agents if len(agent.customers) in USUAL] or self.agents


async def fill(dsn: str, ring: Keyring, *, nodes: int, edges: int, say: Callable[[str], None]) -> dict[str, str]:
    """Make the world as a superuser, over two connections, and say what it is like. Takes some 60 s a million ties."""
    now = datetime.now(UTC)
    graph = build(nodes, edges, seed=SEED, today=int(now.timestamp()) // 86_400)
    about = describe(graph)
    say(", ".join(f"{name} {value}" for name, value in about.items()))
    dice, org_id = np.random.default_rng(SEED), uuid7()
    ids = _ids(dice, graph.made)
    async with AsyncExitStack() as stack:
        first, second = [await _connect(stack, dsn) for _ in range(2)]
        await first.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'network', '人脉测速机构')", org_id)
        await first.execute("INSERT INTO org_settings (org_id, id) VALUES ($1, $1)", org_id)
        await migrate.seed_relation_types(first, org_id)
        sealer = await make_keys(first, ring, org_id)
        agents = [agent.id for agent in await fill_agents(first, org_id, graph.agents)]
        await first.execute(_OFFICERS, org_id, [uuid7() for _ in range(1 + _MANAGERS)])
        await _server(first, "SET max_wal_size = '16GB'", "SET checkpoint_timeout = '1h'")  # would only write twice
        async with _without_indexes(first, second, say):
            await asyncio.gather(
                _fill_customers(first, sealer, graph, agents, ids), _fill_ties(second, sealer, graph, agents, ids, dice)
            )
            say(f"{nodes} parties and {edges} ties copied")
        await _server(first, "RESET max_wal_size", "RESET checkpoint_timeout")
        await first.execute("VACUUM (ANALYZE)")
        await first.execute("CHECKPOINT")
    return about


async def _connect(stack: AsyncExitStack, dsn: str) -> asyncpg.Connection:
    """May skip the foreign-key checks of rows known to be right."""
    connection = await asyncpg.connect(dsn)
    stack.push_async_callback(connection.close)
    for setting in ("session_replication_role = replica", "maintenance_work_mem = '512MB'"):
        await connection.execute(f"SET {setting}")
    return connection


@asynccontextmanager
async def _without_indexes(
    first: asyncpg.Connection, second: asyncpg.Connection, say: Callable[[str], None]
) -> AsyncIterator[None]:
    """Sorting once is faster than inserting five million times. Each connection has its own table's to make again."""
    found = {table: await first.fetch(_INDEXES, table) for table in ("customers", "relationships")}
    for index in (*found["customers"], *found["relationships"]):
        await first.execute(f"DROP INDEX {index['name']}")
    yield

    async def make(connection: asyncpg.Connection, table: str) -> None:
        for index in found[table]:
            await connection.execute(index["definition"])
            say(f"index {index['name']}")

    await asyncio.gather(make(first, "customers"), make(second, "relationships"))


async def _server(db: asyncpg.Connection, *changes: str) -> None:
    for change in changes:
        await db.execute(f"ALTER SYSTEM {change}")
    await db.execute("SELECT pg_reload_conf()")


def _ids(dice: np.random.Generator, moments: Ints) -> copy.Bytes:
    """UUIDv7 (RFC 9562) of these moments in ms, ascending as they are."""
    count = len(moments)
    made = np.empty((count, 16), np.uint8)
    made[:, :6] = np.sort(moments).astype(">i8").view(np.uint8).reshape(count, 8)[:, 2:]
    tail = dice.integers(0, 256, (count, 10), dtype=np.uint8)
    made[:, 6], made[:, 7], made[:, 8:] = tail[:, 0] & 0x0F | 0x70, tail[:, 1], tail[:, 2:]
    made[:, 8] = made[:, 8] & 0x3F | 0x80
    # Those of one millisecond are brought into order by their random part.
    order = np.lexsort([made[:, place] for place in range(15, -1, -1)])
    return made[order]


async def _fill_customers(
    db: asyncpg.Connection, sealer: Sealer, graph: Graph, agents: list[UUID], ids: copy.Bytes
) -> None:
    """Text rows made one by one: their columns are long and of many shapes."""
    persons = [name for name in name_pool() if not name.is_company]
    firms = [name for name in name_pool() if name.is_company]
    dice = np.random.default_rng(SEED + 1)
    org_id = sealer.org_id
    hexes, day = ids.tobytes().hex(), datetime.now(UTC) + _KEEP
    keep_until = day.date().isoformat()

    async def stream() -> AsyncIterator[bytes]:
        for begin in range(0, len(ids), _BATCH):
            rows = slice(begin, begin + _BATCH)
            draws = dice.integers(0, 1 << 30, (len(graph.owner[rows]), 3)).tolist()
            facts = zip(
                range(begin, begin + len(draws)), graph.made[rows].tolist(), graph.owner[rows].tolist(),
                graph.is_company[rows].tolist(), graph.known_through[rows].tolist(), draws, strict=True,
            )  # fmt: skip
            yield "".join([row(*fact) for fact in facts]).encode()

    def row(number: int, made: int, owner: int, is_company: bool, through: int, draws: list[int]) -> str:
        name, luck, digits = draws
        at = datetime.fromtimestamp(made / 1000, UTC).isoformat()
        bears = firms[name % len(firms)] if is_company else persons[name % len(persons)]
        party, gender = ("organization", _NULL) if is_company else ("individual", ("male", "female")[luck & 1])
        head = f"{org_id}\t{_hex(hexes, number)}\t{at}\t{at}\t{agents[owner]}\t{party}\t"
        if through >= 0:
            return (
                f"{head}contact\t{at}\t\\N\t{bears.text}\t{bears.key}\t{bears.words}\t{gender}\t\\N\t\\N\t\\N\t\\N\t\\N\t{{}}"
                f"\t{{}}\tt\t{_hex(hexes, through)}\t{keep_until}\t{_DIGEST}\n"
            )
        phone = f"+861{30 + luck % 70}{digits % 100_000_000:08d}"
        person, said = UUID(_hex(hexes, number)), {**_HOME, "county": _DISTRICTS[luck >> 3 & 7]}
        private = sealer.private(
            person, phones=[{"number": phone, **_MOBILE}], note=_NOTE if luck & 64 else None,
            addresses=[{**said, "postcode": None, "detail": f"解放大道{digits % 2000}号"}],
        )  # fmt: skip
        place = f'"kind": "home", "province": "湖北省", "city": "武汉市", "county": "{_DISTRICTS[luck >> 3 & 7]}"'
        birthday = _NULL if is_company else _BIRTHDAY % (1945 + luck % 60, 1 + luck % 12, 1 + luck % 28)
        return (
            f"{head}{_STAGES[luck % 6]}\t{at}\t{_TIERS[luck % 10]}\t{bears.text}\t{bears.key}\t"
            f"{bears.words}#{phone[:-5:-1]} \t{gender}\t{birthday}\t{_JOBS[luck % 11]}\t"
            f'\\\\x{private.hex()}\t{{"\\\\\\\\x{sealer.phones([phone])[0].hex()}"}}\t1\t'
            f'{{"phones": [{{"number": "{identity.mask_phone(phone)}", {_KIND}}}], "emails": [], '
            f'"addresses": [{{{place}, "postcode": null, "detail": null}}]}}\t{_TAGS[luck % 6]}\t'
            f"f\t\\N\t\\N\t{_DIGEST}\n"
        )

    await db.copy_to_table("customers", source=stream(), columns=list(_CUSTOMER_COLUMNS))
    known = (UUID(_hex(hexes, number)) for number in np.flatnonzero(graph.known_through < 0).tolist())
    await db.copy_records_to_table(
        "person_keys",
        columns=["org_id", "person_id", "version", "wrapped"],
        records=((org_id, person, 1, sealer.wrapped(person)) for person in known),
    )


_KEEP = timedelta(days=180)
_DIGEST = r"\\x" + "00" * 32
_NULL = r"\N"
_NOTE = "周末下午方便电话,先谈孩子的教育金。"
_HOME = {"kind": "home", "province": "湖北省", "city": "武汉市"}
_MOBILE = {"kind": "mobile", "label": None}
_KIND = '"kind": "mobile", "label": null'
_BIRTHDAY = '{"year": %d, "month": %d, "day": %d, "calendar": "solar", "leap_month": false}'


def _hex(hexes: str, number: int) -> str:
    return hexes[number * 32 : number * 32 + 32]


async def _fill_ties(
    db: asyncpg.Connection, sealer: Sealer, graph: Graph, agents: list[UUID], ids: copy.Bytes, dice: np.random.Generator
) -> None:
    count = len(graph.left)
    own = _ids(dice, graph.tied)
    org, zeros = [sealer.org_id.bytes], np.zeros(count, np.int64)
    agent_bytes = [agent.bytes for agent in agents]
    note, role = dice.integers(0, len(_NOTES), count), dice.integers(0, len(_ROLES), count)
    codes, directions = [kind.code for kind in KINDS], [kind.direction for kind in KINDS]
    declared = np.where(graph.strength == graph.computed, NEVER, graph.strength)
    await copy.write(
        db,
        "relationships",
        count,
        {
            "org_id": lambda rows: copy.chosen(org, zeros[rows]),
            "id": lambda rows: copy.fixed(own[rows]),
            "created_at": lambda rows: copy.times(graph.tied[rows]),
            "updated_at": lambda rows: copy.times(graph.tied[rows]),
            "left_id": lambda rows: copy.fixed(ids[graph.left[rows]]),
            "right_id": lambda rows: copy.fixed(ids[graph.right[rows]]),
            "type": lambda rows: copy.chosen(codes, graph.kind[rows]),
            "direction": lambda rows: copy.chosen(directions, graph.kind[rows]),
            "strength": lambda rows: copy.parts(graph.strength[rows]),
            "declared_strength": lambda rows: copy.parts(declared[rows]),
            "computed_strength": lambda rows: copy.parts(graph.computed[rows]),
            "warmth": lambda rows: copy.parts(graph.warmth[rows]),
            "last_interaction_on": lambda rows: copy.dates(graph.last_on[rows]),
            "since": lambda rows: copy.dates(graph.since[rows]),
            "until": lambda rows: copy.dates(graph.until[rows]),
            "note_enc": lambda rows: copy.raw(
                [
                    sealer.note(UUID(bytes=row_id.tobytes()), _NOTES[n])
                    for row_id, n in zip(own[rows], note[rows], strict=True)
                ]
            ),
            "right_role": lambda rows: copy.chosen(_ROLES, role[rows]),
            "author_id": lambda rows: copy.chosen(agent_bytes, graph.owner[graph.left[rows]]),
            "created_digest": lambda rows: copy.chosen([bytes(32)], zeros[rows]),
        },
    )


def describe(graph: Graph) -> dict[str, str]:
    """How real it is: degrees, clustering of a sample, components, bridges between agents; current ties only."""
    count = len(graph.owner)
    is_current = graph.until == NEVER
    left, right = graph.left[is_current], graph.right[is_current]
    degree = np.bincount(np.concatenate([left, right]), minlength=count)
    ones = np.ones(len(left), np.int8)
    web = sparse.coo_array((ones, (left, right)), shape=(count, count)).tocsr()
    web = ((web + web.T) > 0).astype(np.int32).tocsr()
    parts = sparse.csgraph.connected_components(web, directed=False)[1]
    books = np.bincount(graph.owner[~graph.is_shadow], minlength=graph.agents)
    p50, p99 = np.percentile(degree, [50, 99])
    return {
        "degree": f"mean {degree.mean():.1f}, p50 {p50:.0f}, p99 {p99:.0f}, most {degree.max()}",
        "clustering": f"{_clustering(web):.2f} (mean of 2,000 nodes)",
        "components": f"{parts.max() + 1}, the greatest has {np.bincount(parts).max() / count:.1%}",
        "customers of an agent": f"p10 {np.percentile(books, 10):.0f}, p50 {np.median(books):.0f}, most {books.max()}",
        "shadow contacts": f"{graph.is_shadow.mean():.0%}",
        "companies": f"{graph.is_company.mean():.0%}",
        "between agents": f"{(graph.owner[left] != graph.owner[right]).mean():.0%} of the ties",
        "ended": f"{1 - is_current.mean():.0%}",
    }


def _clustering(web: Any) -> float:
    """Mean share of a node's neighbour pairs who know each other, over a sample of nodes with two or more."""
    dice = np.random.default_rng(SEED)
    shares = []
    for node in dice.integers(0, web.shape[0], 2000):
        around = web.indices[web.indptr[node] : web.indptr[node + 1]]
        if len(around) > 1:
            shares.append(web[around][:, around].sum() / (len(around) * (len(around) - 1)))
    return float(np.mean(shares)) if shares else 0.0


async def load(db: asyncpg.Connection) -> NetworkWorld:
    """What was filled, read back, so that a world can be measured more than once."""
    org_id = await db.fetchval("SELECT id FROM orgs WHERE code = 'network'")
    users = await db.fetch(
        "SELECT u.id, u.role, u.team_id, s.id AS session FROM users u "
        "JOIN sessions s ON s.org_id = $1 AND s.user_id = u.id WHERE u.org_id = $1 ORDER BY u.id",
        org_id,
    )
    books = await db.fetch(
        "SELECT owner_id, array_agg(id ORDER BY id) AS ids FROM customers WHERE org_id = $1 AND NOT is_shadow "
        "GROUP BY owner_id",
        org_id,
    )
    customers = {row["owner_id"]: row["ids"] for row in books}
    contacts = await db.fetch(
        "SELECT owner_id, array_agg(id ORDER BY id) AS ids FROM customers WHERE org_id = $1 AND stage = 'contact' "
        "AND party_type = 'individual' GROUP BY owner_id",
        org_id,
    )
    team: dict[UUID, list[Agent]] = {}
    officers = []
    for row in users:
        person = Agent(row["id"], row["session"], customers.get(row["id"], []))
        if row["role"] == "agent" and person.customers:
            team.setdefault(row["team_id"], []).append(person)
        elif row["role"] != "agent":
            officers.append((row["role"], row["team_id"], person))
    nodes = await db.fetchval("SELECT count(*) FROM customers WHERE org_id = $1", org_id)
    edges = await db.fetchval("SELECT count(*) FROM relationships WHERE org_id = $1", org_id)
    draw = "SELECT {} FROM {} TABLESAMPLE BERNOULLI ({}) REPEATABLE ({}) WHERE org_id = $1"
    ends = await db.fetch(draw.format("left_id, right_id", "relationships", min(100, 1e6 / edges), 1), org_id)
    some = await db.fetch(draw.format("id", "customers", min(100, 1e6 / nodes), 2), org_id)
    return NetworkWorld(
        org_id=org_id,
        agents=[agent for members in team.values() for agent in members],
        nodes=nodes,
        edges=edges,
        admin=next(person for role, _, person in officers if role == "admin"),
        managers=[(person, team[at]) for role, at, person in officers if role == "manager" and at in team],
        contacts={row["owner_id"]: row["ids"] for row in contacts},
        by_degree=[end for row in ends for end in (row["left_id"], row["right_id"])],
        anybody=[row["id"] for row in some],
    )
