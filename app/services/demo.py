"""Loading the demo world: every row is made by the service that makes it for a phone, in one transaction.

The session must be the owner role's, because only that may insert the organisation; what is loaded is otherwise
exactly what six users would have entered, with audit events and sync feed.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.access import SCOPES, Actor
from app.domain import consent_texts as notices
from app.domain import demo_world
from app.domain.consents import FieldGroup, Purpose
from app.domain.demo_households import FORM as FACT_FIND
from app.domain.demo_households import FactFind
from app.domain.demo_introductions import DemoIntroduction
from app.domain.demo_network import Learned
from app.domain.demo_papers import FORM, Dossier, Interview
from app.domain.demo_world import ORG_CODE, DemoWorld
from app.models.consents import ConsentCreate
from app.models.coverages import CoverageAnswerPut
from app.models.customers import Customer, CustomerCreate, CustomerUpdate
from app.models.dossiers import DossierFactCreate
from app.models.form_responses import FormResponseComplete, FormResponseCreate
from app.models.introductions import IntroductionAdvance, IntroductionCreate
from app.models.needs_analyses import NeedsAnalysisCreate
from app.models.relation_types import Direction
from app.models.relationship_interactions import RelationshipInteractionCreate
from app.models.relationships import RelationshipCreate
from app.models.sales_rules import SalesRules
from app.models.shadow_contacts import ShadowContactCreate
from app.models.tasks import Task
from app.models.users import Role, User, UserUpdate
from app.services import (
    api_keys,
    consents_create,
    coverages,
    customers,
    dossiers,
    form_responses,
    form_responses_complete,
    introductions,
    needs_analyses_create,
    organizations,
    relation_types,
    relationship_interactions,
    relationships,
    sales_rules,
    sessions,
    shadow_contacts,
    tasks,
    teams,
    users,
)

_CUSTOMER: TypeAdapter[CustomerCreate] = TypeAdapter(CustomerCreate)


async def load(session: AsyncSession, world: DemoWorld, password: str) -> str:
    """Load the demo world into a database that does not have it.

    Args:
        session: of the owner role, bound to the world's organisation; all of it is one transaction or nothing.
        password: of all six users.

    Returns:
        The text of the demo partner's key, which is stored only hashed.

    Raises:
        WeakPassword: the password breaks the house rules.
        IntegrityError: it is there already.
    """
    session.info["request_id"] = "demo"
    await _organization(session, world, password)
    _, key = await api_keys.create(
        session, world.org_id, partner_name=demo_world.PARTNER, environment="test", days=api_keys.MAX_DAYS
    )
    actors = {user.username: _actor(world, user.username) for user in world.users}
    await _selling(session, actors, world)
    for party in world.parties:
        data = _CUSTOMER.validate_python({**party.body, "id": party.id})
        await customers.create(session, actors[party.owner], data)
    await _ties(session, actors, world)
    await _interviews(session, actors, world.interviews)
    await _fact_finds(session, actors, world.fact_finds)
    await _dossiers(session, actors, (*world.dossiers, *world.business))
    await _introductions(session, actors, world.introductions)
    await _learned(session, actors, world.learned)
    return key


async def opens_with(session: AsyncSession, org_id: UUID, password: str) -> bool:
    """Whether the demo users still have this password (they keep the one they were loaded with)."""
    statement = select(User).where(col(User.org_id) == org_id, col(User.username) == demo_world.USERS[0].username)
    user = (await session.exec(statement)).first()
    return await sessions.passwords().verify(None if user is None else user.password_hash, password)


async def _organization(session: AsyncSession, world: DemoWorld, password: str) -> None:
    await organizations.create(session, ORG_CODE, demo_world.ORG_NAME)
    for team in world.teams:
        await teams.make(session, world.org_id, team.name, team.parent_id, team_id=team.id)
    for user in world.users:
        await users.create(
            session,
            world.org_id,
            org_code=ORG_CODE,
            username=user.username,
            name=user.name,
            role=Role(user.role),
            team_id=user.team_id,
            password=password,
            user_id=user.id,
        )


async def _selling(session: AsyncSession, actors: dict[str, Actor], world: DemoWorld) -> None:
    admin = replace(next(actors[user.username] for user in world.users if user.role == Role.admin), managed=None)
    rules = SalesRules.model_validate(demo_world.SALES_RULES)
    await sales_rules.replace(session, admin, world.org_id, 1, rules)
    agents = [user for user in world.users if user.role == Role.agent]
    for number, user in enumerate(agents, start=1):
        data = UserUpdate(licence_no=f"{number:020d}", qualification_level=demo_world.QUALIFICATION)
        await users.update(session, admin, user.id, 1, data)


def _actor(world: DemoWorld, username: str) -> Actor:
    """What `access.user_actor` would make of the user; he has no session yet."""
    user = next(one for one in world.users if one.username == username)
    role = Role(user.role)
    team: tuple[UUID, ...] = tuple(one.id for one in world.users if one.team_id == user.team_id)
    owners = {Role.agent: (user.id,), Role.manager: team}.get(role)
    scopes = frozenset(scope.value for scope in SCOPES[role])
    return Actor(world.org_id, user.id, "user", role, scopes, owners, is_masked=role is Role.auditor)


async def _ties(session: AsyncSession, actors: dict[str, Actor], world: DemoWorld) -> None:
    """All of them in one flush: one by one they would take as long as everything else together.

    Ties between the customers of two agents are entered by their manager, who alone sees both ends.
    """
    stored = (await session.exec(select(Customer).where(col(Customer.org_id) == world.org_id))).all()
    known = {customer.id: customer for customer in stored}
    types, ids = await relation_types.by_code(session, world.org_id), []
    for tie in world.ties:
        actor = actors[tie.left.owner if tie.left.owner == tie.right.owner else "manager1"]
        data = RelationshipCreate.model_validate(
            {
                "id": tie.id,
                "other_id": tie.right.id,
                "direction": tie.type,
                "type": tie.kind,
                "role": tie.right_role,
                "inverse_role": tie.left_role,
                "strength": float(tie.strength),
                "since": None if tie.since is None else tie.since.isoformat(),
                "until": None if tie.until is None else tie.until.isoformat(),
            }
        )
        ids.append(tie.id)
        await relationships.add(session, actor, known[tie.left.id], known[tie.right.id], types[tie.kind], data)
    await session.flush()
    await relationships.refresh(session, ids)


async def _interviews(session: AsyncSession, actors: dict[str, Actor], interviews: Iterable[Interview]) -> None:
    form_key, version = FORM
    for interview in interviews:
        actor = actors[interview.customer.owner]
        if interview.is_complete:
            await _consent(session, actor, interview, [FieldGroup.financial], {"given_by": "person"})
        data = FormResponseCreate(
            id=interview.id,
            customer_id=interview.customer.id,
            form_key=form_key,
            form_version=version,
            answers=interview.answers,
        )
        draft, _ = await form_responses.create(session, actor, data)
        if interview.is_complete:
            done = FormResponseComplete()
            await form_responses_complete.complete(session, actor, draft.id, draft.version, done)


async def _fact_finds(session: AsyncSession, actors: dict[str, Actor], found: Iterable[FactFind]) -> None:
    """Each completed, and analysed."""
    form_key, version = FACT_FIND
    for one in found:
        actor = actors[one.customer.owner]
        # The parent speaks for the children, too.
        relation = "father" if one.answers["gender"] == "male" else "mother"
        speaker = {"given_by": "guardian", "guardian": {"is_customer": True, "relation": relation}}
        await _consent(session, actor, one, [FieldGroup.financial, FieldGroup.health, FieldGroup.minors], speaker)
        data = FormResponseCreate(
            id=one.id, customer_id=one.customer.id, form_key=form_key, form_version=version, answers=one.answers
        )
        draft, _ = await form_responses.create(session, actor, data)
        await form_responses_complete.complete(session, actor, draft.id, draft.version, FormResponseComplete())
        await needs_analyses_create.create(session, actor, NeedsAnalysisCreate(form_response_id=one.id))


async def _consent(
    session: AsyncSession, actor: Actor, one: FactFind | Interview, groups: list[FieldGroup], speaker: dict[str, Any]
) -> None:
    """What a form asks, agreed to on paper."""
    grounds = []
    for group in groups:
        notice = notices.built_in(Purpose.advice, group, "zh", demo_world.ORG_NAME)
        digest = notices.text_hash(notices.render(notice, group, "zh", None))
        grounds.append({"field_group": group, "text_version": notices.BUILT_IN, "text_hash": digest})
    said = {
        "decision": "given",
        "purpose": Purpose.advice,
        "grounds": grounds,
        "is_separate": True,
        "language": "zh",
        "channel": "paper",
        "evidence": {"reference": f"同意书 {one.id.hex[-8:]}"},
    }
    await consents_create.create(session, actor, one.customer.id, ConsentCreate.model_validate(said | speaker))


async def _dossiers(session: AsyncSession, actors: dict[str, Actor], found: Iterable[Dossier]) -> None:
    for dossier in found:
        actor = actors[dossier.customer.owner]
        for fact in dossier.facts:
            said: dict[str, Any] = {
                "id": fact.id,
                "fact_key": fact.fact_key,
                "value": fact.value,
                "source": fact.source,
                "observed_on": fact.observed_on.isoformat(),
            }
            said |= {} if fact.basis is None else {"basis": fact.basis}
            said |= {} if fact.teller is None else {"teller": {"label": fact.teller}}
            await dossiers.create(session, actor, dossier.customer.id, DossierFactCreate.model_validate(said))


async def _introductions(session: AsyncSession, actors: dict[str, Actor], found: Iterable[DemoIntroduction]) -> None:
    """Asked for and gone on with; of every second one that came so far the introducer has been thanked."""
    for one in found:
        actor, (asked, *steps) = actors[one.introducer.owner], one.steps
        data = IntroductionCreate.model_validate(
            {
                "id": one.id,
                "introducer_id": one.introducer.id,
                "target_id": one.target.id,
                "relationship_id": one.tie.id,
                "asked_on": asked.happened_on.isoformat(),
                "note": one.note,
            }
        )
        made, _ = await introductions.create(session, actor, data)
        for step in steps:
            sent = {"status": step.status, "happened_on": step.happened_on.isoformat()}
            advance = IntroductionAdvance.model_validate(
                sent if step.reason is None else {**sent, "reason": step.reason}
            )
            made = await introductions.advance(session, actor, one.id, made.version, advance)
        owed = (await session.exec(select(Task.id).where(Task.org_id == actor.org_id, Task.subject_id == one.id))).all()
        for task_id in owed if one.is_thanked else ():
            await tasks.complete(session, actor, task_id)


async def _learned(session: AsyncSession, actors: dict[str, Actor], found: Learned) -> None:
    """What the agents recorded of their customers' surroundings, and what these are worth to them."""
    for shadow in found.shadows:
        contact = ShadowContactCreate.model_validate(
            {
                "id": shadow.id,
                "name": shadow.name,
                "party_type": shadow.party_type,
                "gender": shadow.gender,
                "known_through_id": shadow.through.id,
                "relation": {"id": shadow.tie_id, "type": shadow.kind},
            }
        )
        await shadow_contacts.create(session, actors[shadow.through.owner], contact)
    for one in found.contacts:
        met = RelationshipInteractionCreate.model_validate(
            {"id": one.id, "kind": one.kind, "occurred_on": one.occurred_on.isoformat()}
        )
        end = one.tie.left
        await relationship_interactions.create(session, actors[end.owner], end.id, one.tie.id, met)
    for answer in found.answers:
        asked = CoverageAnswerPut.model_validate({"asked_on": answer.asked_on.isoformat()})
        customer, direction = answer.customer, Direction(answer.direction)
        await coverages.put_answer(session, actors[customer.owner], customer.id, direction, asked)
    for tier in found.tiers:
        actor = actors[tier.customer.owner]
        asked_for = select(Customer.version).where(Customer.org_id == actor.org_id, Customer.id == tier.customer.id)
        version = (await session.exec(asked_for)).one()
        await customers.update(
            session, actor, tier.customer.id, version, CustomerUpdate.model_validate({"tier": tier.tier})
        )
