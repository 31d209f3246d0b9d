"""The demo world before it is loaded: deterministic, plausible, and nobody's."""

import os
import subprocess
import sys
from collections import Counter
from datetime import date
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from phonenumbers import geocoder, parse
from pydantic import TypeAdapter
from stdnum import numdb

from app import passwords
from app.config import Settings
from app.domain import demo_world, forms, identity, lunar, needs
from app.domain.demo_business import degrees
from app.domain.demo_families import Party, Tie
from app.domain.demo_network import OWNERS
from app.domain.demo_source import AS_OF, Source
from app.domain.fact_definitions import DossierName, shipped
from app.domain.introductions import DECLINED, STEPS, may_follow
from app.models.customers import CustomerCreate

WORLD = demo_world.build()
PERSONS = [party for party in WORLD.parties if party.gender is not None]
COMPANIES = [party for party in WORLD.parties if party.gender is None]
PRINT_DIGEST = """
from app.domain import demo_world
import hashlib
print(hashlib.sha256(repr(demo_world.build()).encode()).hexdigest())
"""


def _phones(party: Party) -> list[str]:
    return [phone["number"] for phone in party.body.get("phones", ())]


def _ties(kind: str, *roles: str) -> list[Tie]:
    return [tie for tie in WORLD.ties if tie.type == kind and (not roles or tie.left_role in roles)]


@cache
def _form() -> Any:
    return next(forms.load_definition(raw) for raw in forms.published_forms() if raw["form_key"] == "needs.life")


def test_two_processes_build_the_same_world() -> None:
    """Separate processes with other hash seeds: the order of a set would show here."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_another_seed_builds_another_world() -> None:
    other = demo_world.build.__wrapped__(7)
    assert {party.id for party in other.parties}.isdisjoint(party.id for party in WORLD.parties)
    assert len(other.parties) == len(WORLD.parties)


def test_sizes_are_those_promised() -> None:
    assert (len(PERSONS), len(COMPANIES), len(WORLD.ties)) == (320, 80, 1500)
    assert Counter(party.owner for party in WORLD.parties).keys() == {"agent1", "agent2", "agent3"}
    assert {party.body["stage"] for party in WORLD.parties} == {"contact", "prospect", "customer", "investor"}
    assert {tie.type for tie in WORLD.ties} == {"relative", "friend", "client", "partner", "ally"}


def test_ids_are_unique_uuid7() -> None:
    ids = [one.id for group in (WORLD.teams, WORLD.users, WORLD.ties, WORLD.parties) for one in group]
    ids += [WORLD.org_id, *(one.id for one in WORLD.interviews)]
    ids += [*(one.id for one in WORLD.introductions), *(one.id for one in WORLD.fact_finds)]
    ids += [fact.id for dossier in (*WORLD.dossiers, *WORLD.business) for fact in dossier.facts]
    assert len(set(ids)) == len(ids)
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}


def test_first_page_of_a_list_shows_all_kinds() -> None:
    last = [party for party in WORLD.parties if party.owner == "agent1"][-50:]
    assert {party.body["party_type"] for party in last} == {"individual", "organization"}
    assert len({party.body["stage"] for party in last}) == 4


def test_every_body_is_a_valid_request() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(CustomerCreate)
    for party in WORLD.parties:
        assert adapter.validate_python({**party.body, "id": party.id}).name == party.name


def test_names_are_unique_in_the_world() -> None:
    names = [party.name for party in WORLD.parties] + [user.name for user in WORLD.users]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_phones_are_valid_and_nobodys() -> None:
    phones = [number for party in WORLD.parties for number in _phones(party)]
    assert len(set(phones)) == len(phones) > 300
    for number in phones:
        plain = identity.check_phone(number)
        # Either the placeholder block of the manuals, or a subscriber number that begins with the trunk prefix.
        assert plain.startswith(("+861380000", "+86270000")), number
        assert geocoder.country_name_for_number(parse(plain), "en") == "China"


def test_emails_cannot_be_delivered() -> None:
    mails = [mail["address"] for party in WORLD.parties for mail in party.body.get("emails", ())]
    assert mails
    assert all(mail.endswith("@example.com") for mail in mails)


def test_resident_ids_are_well_formed_in_a_county_that_does_not_exist() -> None:
    numbers = [person for person in PERSONS if "id_number" in person.body]
    assert len(numbers) > 80
    table = numdb.get("cn/loc")
    for person in numbers:
        checked = identity.check_resident_id(person.body["id_number"])
        assert (checked.birth_on, checked.gender) == (person.born, person.gender)
        assert not any("county" in properties for _, properties in table.info(checked.region))
    assert any("county" in properties for _, properties in table.info("420106")), "the table knows real counties"


def test_credit_codes_are_well_formed_in_a_county_that_does_not_exist() -> None:
    codes = [company.body["id_number"] for company in COMPANIES if "id_number" in company.body]
    assert len(set(codes)) == len(codes) > 30
    for code in codes:
        assert identity.check_uscc(code) == code
        assert code[2:8] == "420199"
        assert code[8:11] == "DEM"


def test_birthdays_are_kept_on_the_day_of_birth_in_both_calendars() -> None:
    kept = [(person, lunar.PartialDate(**person.body["birthday"])) for person in PERSONS]
    assert {day.calendar for _, day in kept} == {"solar", "lunar"}
    assert any(day.year is None for _, day in kept)
    for person, day in kept:
        lunar.check_partial_date(day)
        assert lunar.solar_date(day) in (None, person.born)


@pytest.mark.parametrize("born", [date(1952, 6, 25), date(1963, 5, 25)])
def test_birthday_in_a_lunar_leap_month_says_so(born: date) -> None:
    """1952 had a second fifth month, 1963 a second fourth; what is written must lead back to the day."""
    source = Source(1)
    found = [source.birthday(born) for _ in range(40)]
    lunars = [lunar.PartialDate(**one) for one in found if one["calendar"] == "lunar"]
    assert lunars
    assert all(day.leap_month and lunar.solar_date(day) == born for day in lunars)


def test_relationships_keep_the_rules_of_the_table() -> None:
    facts = Counter((frozenset((tie.left.id, tie.right.id)), tie.type, tie.since) for tie in WORLD.ties)
    assert max(facts.values()) == 1
    for tie in WORLD.ties:
        assert tie.left is not tie.right
        assert 0 < tie.strength < 1
        assert tie.strength == round(tie.strength, 3)
        assert tie.since is None or tie.since <= AS_OF
        assert tie.until is None or (tie.since is not None and tie.since <= tie.until <= AS_OF)
        assert max(len(tie.left_role), len(tie.right_role)) <= 10


def test_some_relationships_have_ended_and_most_have_not() -> None:
    ended = [tie for tie in WORLD.ties if tie.until]
    assert 20 <= len(ended) <= 120
    assert {"relative", "partner", "friend"} <= {tie.type for tie in ended}


def test_children_are_younger_and_carry_the_fathers_name() -> None:
    parents = _ties("relative", "父亲", "母亲")
    assert len(parents) > 150
    for tie in parents:
        assert (tie.left_role == "父亲") == (tie.left.gender == "male")
        assert (tie.right_role == "儿子") == (tie.right.gender == "male")
        assert tie.right.born.year - tie.left.born.year >= 20
        assert tie.since == tie.right.born
        if tie.left_role == "父亲":
            assert tie.left.name[0] == tie.right.name[0]
    assert max(Counter(tie.right.id for tie in parents).values()) == 2


def test_couples_are_grown_and_of_both_genders() -> None:
    couples = _ties("relative", "丈夫", "前夫")
    assert len(couples) > 50
    for tie in couples:
        assert (tie.left.gender, tie.right.gender) == ("male", "female")
        assert tie.since is not None
        assert tie.since.year - max(tie.left.born, tie.right.born).year >= 20
        assert (tie.left_role == "前夫") == (tie.until is not None)
    married = Counter(person.id for tie in couples for person in (tie.left, tie.right))
    assert max(married.values()) == 1


def test_siblings_and_grandparents_fit_their_ages() -> None:
    for tie in _ties("relative", "哥哥", "姐姐"):
        assert tie.left.born < tie.right.born
        assert tie.left.name[0] == tie.right.name[0]
    grand = _ties("relative", "爷爷", "奶奶", "外公", "外婆")
    assert len(grand) > 40
    assert all(tie.right.born.year - tie.left.born.year >= 40 for tie in grand)
    assert any(tie.left_role == "外婆" for tie in grand)


def test_children_have_no_phone_of_their_own() -> None:
    assert all(not _phones(person) for person in PERSONS if person.age < 13)
    assert all(_phones(person) for person in PERSONS if person.age >= 18)


def test_every_company_has_one_owner_who_is_grown() -> None:
    owners = _ties("partner", "法定代表人")
    assert {tie.right.id for tie in owners} == {company.id for company in COMPANIES}
    assert len(owners) == len(COMPANIES)
    assert all(tie.left.age >= 26 and tie.left.body["occupation"] == "企业主" for tie in owners)


def test_trade_joins_companies_only() -> None:
    trade = _ties("client", "供应商")
    assert len(trade) > 150
    assert all(tie.left.gender is None and tie.right.gender is None for tie in trade)


def test_degrees_are_uneven_and_nearly_everybody_is_joined() -> None:
    found = degrees(list(WORLD.ties))
    assert len(found) >= 395
    assert max(found.values()) >= 4 * median(found.values())


def test_only_agents_of_one_team_share_relationships() -> None:
    across = [{tie.left.owner, tie.right.owner} for tie in WORLD.ties if tie.left.owner != tie.right.owner]
    assert len(across) >= 20
    assert all(pair == {"agent1", "agent2"} for pair in across)


def test_completed_interviews_give_an_analysis_and_drafts_are_not_done() -> None:
    gaps = []
    for interview in WORLD.interviews:
        issues = forms.check_answers(_form(), interview.answers, complete=interview.is_complete)
        assert not [issue for issue in issues if issue.severity == "error"], interview
        if interview.is_complete:
            effective = forms.effective_answers(_form(), interview.answers)
            gaps.append(needs.life_need(needs.life_input_from_answers(effective)).gap_fen)
    assert len(gaps) == 9
    assert len(WORLD.interviews) == 14
    assert sum(gap > 0 for gap in gaps) >= 6, "most families have something to talk about"


def test_fact_finds_are_complete_and_of_families_nobody_else_asked() -> None:
    definition = next(raw for raw in forms.published_forms() if raw["form_key"] == "needs.fact_find")
    form, context = forms.load_definition(definition), forms.Context(as_of=AS_OF)
    assert len(WORLD.fact_finds) == 2
    for one in WORLD.fact_finds:
        issues = forms.check_answers(form, one.answers, complete=True, context=context)
        assert not [issue for issue in issues if issue.severity == "error"], one
    asked = {interview.customer.id for interview in WORLD.interviews}
    assert not asked & {one.customer.id for one in WORLD.fact_finds}


def test_dossiers_have_up_to_eleven_known_facts_of_adults() -> None:
    assert len({dossier.customer.id for dossier in WORLD.dossiers}) == 25
    for dossier in WORLD.dossiers:
        keys = [fact.fact_key for fact in dossier.facts]
        assert set(keys) <= {one.key for one in shipped().of(DossierName.personal)} - {"itinerary"}
        assert 2 <= len(keys) <= 11
        assert len(set(keys)) == len(keys)
        assert dossier.customer.age >= 18
        assert all(fact.observed_on <= AS_OF for fact in dossier.facts)
    assert len({len(dossier.facts) for dossier in WORLD.dossiers}) >= 5, "some know little, some nearly all"


def test_default_password_is_one_the_house_accepts() -> None:
    password = Settings(_env_file=None).demo_password.get_secret_value()
    for user in WORLD.users:
        passwords.check_strength(password, (user.username, demo_world.ORG_CODE))


def test_logins_are_the_users_of_the_world() -> None:
    teams = {team.id: team.name for team in WORLD.teams}
    found = [(user.username, user.name, user.role, teams[user.team_id]) for user in WORLD.users]
    assert found == [(one.username, one.name, one.role, one.team) for one in demo_world.USERS]


def test_introductions_stand_everywhere_between_people_who_know_each_other() -> None:
    found = WORLD.introductions
    assert len(found) == 25
    assert {one.steps[-1].status for one in found} == {*STEPS, DECLINED}
    assert len({one.target.id for one in found}) == 25
    for one in found:
        assert {one.introducer.id, one.target.id} == {one.tie.left.id, one.tie.right.id}
        assert one.introducer.owner == one.target.owner
        ways = [step.status for step in one.steps]
        assert all(may_follow(before, after) for before, after in pairwise(ways))
        assert ways[-1] != "policy" or one.target.body["stage"] in ("customer", "investor")
        days = [step.happened_on for step in one.steps]
        assert days == sorted(days)
        assert days[-1] < AS_OF
    introduced = {
        one.target.id: step.happened_on for one in found for step in reversed(one.steps) if step.status in STEPS[2:]
    }
    assert all(one.steps[0].happened_on > introduced.get(one.introducer.id, date.min) for one in found)
    chained = {one.target.id for one in found} & {one.introducer.id for one in found}
    assert len(chained) >= 3


def test_what_was_learned_leaves_the_customers_of_agent2_alone() -> None:
    learned = WORLD.learned
    touched = [one.through for one in learned.shadows]
    touched += [one.customer for one in learned.answers] + [one.customer for one in learned.tiers]
    touched += [end for one in learned.contacts for end in (one.tie.left, one.tie.right)]
    assert {party.owner for party in touched} == {*OWNERS} == {"agent1", "agent3"}


def test_what_was_learned_is_plausible() -> None:
    learned = WORLD.learned
    assert len(learned.shadows) == 12
    assert len({one.name for one in learned.shadows} - {party.name for party in WORLD.parties}) == 12
    assert {one.party_type for one in learned.shadows} == {"individual", "organization"}
    assert 50 <= len(learned.contacts) <= 70
    assert len({one.tie.id for one in learned.contacts}) >= 25
    for one in learned.contacts:
        assert one.tie.until is None
        assert (AS_OF - one.occurred_on).days <= 730
        assert (one.tie.since or date.min) <= one.occurred_on <= AS_OF
    assert len({(one.customer.id, one.direction) for one in learned.answers}) == 25
    filled = {(tie.left.id, tie.type) for tie in WORLD.ties}
    filled |= {(tie.right.id, "supplier" if tie.type == "client" else tie.type) for tie in WORLD.ties}
    assert not {(one.customer.id, one.direction) for one in learned.answers} & filled
    assert {one.tier for one in learned.tiers} == {"mvc", "mgc", "lvc", "bz"}
    assert len({one.customer.id for one in learned.tiers}) == 40


def test_content_of_before_is_what_it_was() -> None:
    """Examples name customers of the demo: what was added later draws from a source of its own."""
    assert str(WORLD.parties[0].id) == "019c27cf-612a-707c-b8f8-d9785f48af35"
    assert str(WORLD.ties[-1].id) == "019c47d5-5ac8-79bb-b5a7-adbb485c9a2d"
    assert str(WORLD.dossiers[-1].facts[-1].id) == "019c4c34-e45c-72be-9229-e8f547e546ee"
