"""The rules of the house that no linter knows: sizes, names, SQL, and what may never be written down.

Everything here reads source, nothing runs. Each test collects what breaks its rule and expects to find nothing.
"""

import ast
import importlib.util
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from app import error_words, errors, passwords

REPO = Path(__file__).parents[1]
APP = REPO / "app"
# A noun has one name everywhere; these routers and services are no noun of their own.
ROUTERS_OF_OTHERS = {
    "auth": "signs in and out: services/sessions.py and services/users.py",
    "partners": "a partner's view of services/api_keys.py",
    "service": "health, metrics, keys: no noun",
}
SERVICES_WITHOUT_MODEL = {"demo": "the demo world is made of everybody's rows"}
MODELS_WITHOUT_SERVICE = {
    "base": "what all models share",
    "needs_assumptions": "what analyses and what-ifs may be told",
}
# Routes get their transaction from `deps`; these have nobody behind them yet when they need one.
OPEN_TRANSACTIONS = {
    "services/sessions.py": "refreshing",
    "services/sessions_login.py": "signing in; a refused step-up is noted, and committed, too",
    "services/users_password.py": "passwords are compared outside any transaction",
    "services/invitations.py": "the invited person is nobody yet",
    "services/rights_requests_package.py": "a package is sent bite by bite, long after the request's own has ended",
    "services/consents_unfounded.py": "the operator's retention: every person a transaction",
    "services/rights_requests_erase.py": "the operator's replay after a restore: every person a transaction",
    "services/proposals_document.py": "nothing is held while a document is set; printing is noted when it is done",
}
# What the domain says instead of an error of the house: services put its codes into issues.
DOMAIN_ERRORS = {"IdentityError", "InvalidName", "InvalidDate", "NeedsError"}
NOT_A_NAME = {"utils", "util", "helpers", "common", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def sources(folder: str = "") -> list[Path]:
    return sorted((APP / folder).rglob("*.py"))


@cache
def nodes(folder: str = "") -> list[tuple[str, ast.AST]]:
    """Every syntax node of a folder of the app, with the file it stands in (`services/customers.py`)."""
    return [(str(path.relative_to(APP)), node) for path in sources(folder) for node in ast.walk(tree(path))]


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Every call in the app: the file, what is called as it is written, the node."""
    return [(file, called(node), node) for file, node in nodes() if isinstance(node, ast.Call)]


def place(file: str, node: ast.AST) -> str:
    return f"{file}:{getattr(node, 'lineno', 0)}"


def nouns(folder: str) -> set[str]:
    return {path.stem for path in (APP / folder).glob("*.py")} - {"__init__"}


def imports(node: ast.AST) -> list[str]:
    """The modules an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def called(node: ast.AST) -> str:
    """`reads.row` of `reads.row(…)`; empty when the node is no call."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def text_of(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


# --- sizes and names -------------------------------------------------------------------------------------------


def test_files_have_at_most_400_lines() -> None:
    others = [path for folder in ("tests", "bench") for path in (REPO / folder).rglob("*.py")]
    counted = {path: len(path.read_text().splitlines()) for path in [*sources(), *APP.rglob("*.sql"), *others]}
    assert {str(path.relative_to(REPO)): lines for path, lines in counted.items() if lines > 400} == {}


def test_functions_have_at_most_50_lines() -> None:
    sizes = {
        place(file, node): (node.end_lineno or 0) - node.lineno + 1
        for file, node in nodes()
        if isinstance(node, Function)
    }
    assert {where: lines for where, lines in sizes.items() if lines > 50} == {}


def test_no_module_is_a_drawer_for_the_rest() -> None:
    assert [path.name for path in sources() if {path.stem, path.parent.name} & NOT_A_NAME] == []


def test_noun_has_one_name_in_routers_services_and_models() -> None:
    routers, services, models = nouns("routers"), nouns("services"), nouns("models")
    assert routers - ROUTERS_OF_OTHERS.keys() <= services
    # A service that grew too large is split by verb: customers_merge belongs to customers.
    bases = {next((noun for noun in models if name.startswith(f"{noun}_")), name) for name in services - models}
    assert bases - models == SERVICES_WITHOUT_MODEL.keys()
    assert models - services == MODELS_WITHOUT_SERVICE.keys()
    assert ROUTERS_OF_OTHERS.keys() <= routers - services
    tested = {path.stem.removeprefix("test_") for path in (REPO / "tests").glob("test_*.py")}
    assert routers - ROUTERS_OF_OTHERS.keys() <= tested


@pytest.mark.parametrize("folder", ["models", "routers"])
def test_annotations_are_real_where_they_are_read_at_run_time(folder: str) -> None:
    assert [file for file, node in nodes(folder) if "__future__" in imports(node)] == []


def test_every_route_says_what_it_answers() -> None:
    routes = [
        (place(file, node), node.returns)
        for file, node in nodes("routers")
        if isinstance(node, Function) and any(called(made).startswith("router.") for made in node.decorator_list)
    ]
    assert len(routes) >= 20
    assert [where for where, returns in routes if returns is None] == []


# --- who may use what ------------------------------------------------------------------------------------------


def test_only_tokens_knows_jose() -> None:
    users = {file for file, node in nodes() for name in imports(node) if name.split(".")[0] == "jose"}
    assert users == {"tokens.py"}


@pytest.mark.parametrize("package", ["ecdsa", "rsa"])
def test_dependencies_left_out_are_nowhere(package: str) -> None:
    assert importlib.util.find_spec(package) is None
    for lock in REPO.glob("requirements*.lock"):
        assert not re.search(rf"^{package}\b", lock.read_text(), re.MULTILINE), lock.name


def test_only_handlers_know_the_frameworks_exception() -> None:
    users = {file for file, node in nodes() if isinstance(node, ast.ImportFrom | ast.Name | ast.Attribute)
             and "HTTPException" in ast.unparse(node)}  # fmt: skip
    assert users == {"handlers.py"}


def test_services_flush_and_never_commit() -> None:
    services = [(file, name, node.lineno) for file, name, node in calls() if file.startswith("services/")]
    ends = (".commit", ".rollback", ".begin", ".begin_nested")
    assert [(file, line) for file, name, line in services if name.endswith(ends)] == []
    assert {file for file, name, _ in services if name.endswith("transaction")} == OPEN_TRANSACTIONS.keys()


def codes(*kinds: str, argument: int = 0) -> set[str]:
    """The codes written as an argument of these calls, where they are written out."""
    made = [node.args for _, name, node in calls() if name.removeprefix("errors.") in kinds]
    return {code for args in made if len(args) > argument and (code := text_of(args[argument]))}


def test_every_code_of_an_error_has_its_words() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AppError)]
    titles = codes(*(kind.__name__ for kind in kinds)) | {kind.code for kind in kinds}
    messages = codes("Issue", *DOMAIN_ERRORS) | codes("Invalid.at", argument=1)
    messages |= {f"password_{weakness}" for weakness in get_args(passwords.Weakness)}
    assert len(titles) >= 25
    assert len(messages) >= 20
    assert titles <= error_words.TITLES.keys()
    assert messages <= error_words.MESSAGES.keys()
    every = [*error_words.TITLES.items(), *error_words.MESSAGES.items()]
    assert [code for code, words in every if not all(words)] == []


# --- SQL -------------------------------------------------------------------------------------------------------


@cache
def tenant_tables() -> set[str]:
    """Tables whose migration gives them an organisation."""
    steps = "".join(path.read_text() for path in (REPO / "migrations/versions").glob("*.py"))
    made = re.findall(r'CREATE (?:UNLOGGED )?TABLE (\w+) \((.*?)"""', steps, re.DOTALL)
    return {name for name, columns in made if "{BASE" in columns or re.search(r"\n\s*org_id uuid", columns)}


def unbound(sql: str, org: str) -> list[str]:
    """Tenant tables a statement names more often than it binds them to the organisation, by alias."""
    sql = re.sub(r"--.*", "", sql)
    tables, words = "|".join(tenant_tables()), "WHERE|ON|JOIN|LEFT|CROSS|GROUP|ORDER|LIMIT|SET|USING|VALUES"
    place_of_table = rf"(?:\b(?:FROM|JOIN|UPDATE)|,)\s+({tables})\b(?:\s+(?:AS\s+)?(?!(?:{words})\b)(\w+))?"
    named: dict[str, int] = {}
    for table, alias in re.findall(place_of_table, sql):
        prefix = rf"\b{alias}\." if alias else rf"(?:\b{table}\.|(?<![\w.]))"
        named[prefix] = named.get(prefix, 0) + 1
    return [prefix for prefix, times in named.items() if len(re.findall(rf"{prefix}org_id = {org}\b", sql)) < times]


def test_tenant_tables_are_found() -> None:
    assert {
        "customers",
        "relationships",
        "users",
        "audit_events",
        "feed",
        "idempotency_keys",
        "dpop_proofs",
    } <= tenant_tables()
    assert not tenant_tables() & {"orgs", "signing_keys", "form_versions"}
    assert len(tenant_tables()) >= 14


@pytest.mark.parametrize(
    ("sql", "forgotten"),
    [
        ("SELECT 1 FROM customers c WHERE c.org_id = $1", 0),
        ("UPDATE feed SET removed = true WHERE org_id = $1", 0),
        ("SELECT 1 FROM customers c WHERE c.id = $1", 1),
        ("SELECT 1 FROM customers c JOIN users u ON u.id = c.owner_id WHERE c.org_id = $1", 1),
        ("SELECT 1 FROM users u WHERE u.org_id = $1 AND EXISTS (SELECT 1 FROM users u WHERE u.id = $3)", 1),
        ("SELECT 1 FROM teams t, users WHERE t.org_id = $1 -- users.org_id = $1", 1),
        ("SELECT 1 FROM customers c WHERE c.org_id = $10", 1),
    ],
)
def test_forgotten_organisation_is_noticed(sql: str, forgotten: int) -> None:
    assert len(unbound(sql, r"\$1")) == forgotten


def test_every_statement_binds_every_table_to_the_organisation() -> None:
    found = {path.name: unbound(path.read_text(), r"\$1") for path in (APP / "sql").glob("*.sql")}
    found |= {path.name: unbound(path.read_text(), "p_org") for path in (APP / "sql/functions").glob("*.sql")}
    assert len(found) >= 20
    found |= {place(file, node): unbound(text, r"\$1") for file, node in nodes() if (text := text_of(node))}
    assert {name: tables for name, tables in found.items() if tables} == {}


def test_every_read_is_used_and_every_used_read_is_there() -> None:
    where = {"reads.row": 2, "reads.row_in": 2, "reads.created": 2, "reads.statement": 0}
    used = {text_of(node.args[where[name]]) for _, name, node in calls() if name in where}
    assert used == {path.stem for path in (APP / "sql").glob("*.sql")}


def test_every_database_function_is_called() -> None:
    """By a read, a service or another function; or it is named where a read has a slot for it."""
    texts = {path.stem: path.read_text() for path in (APP / "sql").rglob("*.sql")}
    said = {f"{file} {place}": text for place, (file, node) in enumerate(nodes()) if (text := text_of(node))}
    unused = [path.stem for path in (APP / "sql/functions").glob("*.sql")
              if not any(f"{path.stem}(" in text and name != path.stem for name, text in texts.items())
              and not any(f"{path.stem}(" in text or text == path.stem for text in said.values())]  # fmt: skip
    assert unused == []


_SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|BEGIN|SET LOCAL|CREATE|ALTER|GRANT|DROP|DATABASE|ROLE)\s")
_COMPOSED = (
    # SET takes no parameters: a UUID is parsed first. `end` is "COMMIT; " or nothing.
    re.compile(r"f\"(\{end\})?(BEGIN( READ ONLY)?; )?SET LOCAL app\.org_id = '\{UUID\(str\(org_id\)\)\}'\""),
    # The names of a table class, and numbered parameters.
    re.compile(r"f'INSERT INTO \{table\} \(\{names\}\) VALUES \(\{values\}\) RETURNING \*'"),
)


def test_no_statement_is_composed_of_values() -> None:
    """Besides these forms only `embedded` does it: it names roles and a database, whose names it has checked."""
    mixed = [node for file, node in nodes() if isinstance(node, ast.JoinedStr) and file != "embedded.py"
             and any(isinstance(part, ast.FormattedValue) for part in node.values)]  # fmt: skip
    texts = {ast.unparse(node): "".join(text_of(part) or "" for part in node.values) for node in mixed}
    statements = [source for source, text in texts.items() if _SQL.search(text)]
    assert len(statements) >= 3
    assert [text for text in statements if not any(form.fullmatch(text) for form in _COMPOSED)] == []


def test_no_statement_is_glued_where_it_is_run() -> None:
    """One exception: database functions come from a file with a slot for the role's name, which the settings check."""
    runs = re.compile(r"\.(execute|executemany|fetch|fetchrow|fetchval|exec_driver_sql)$|^text$")
    glued = [file for file, name, node in calls()
             if runs.search(name) and node.args and isinstance(node.args[0], ast.BinOp | ast.Call)]  # fmt: skip
    assert glued == ["migrate.py"]


# --- what is never written down --------------------------------------------------------------------------------

_LOGS = re.compile(r"(logs\.event|event|_?log\w*\.\w+|_EVENTS\.\w+|logging\.\w+)")


def told_of(node: ast.AST, error: str) -> bool:
    """Whether an argument shows the error itself, and not only its type or what `describe` makes of it."""
    if called(node) in ("type", "describe", "logs.describe"):
        return False
    return (isinstance(node, ast.Name) and node.id == error) or any(
        told_of(child, error) for child in ast.iter_child_nodes(node)
    )


def leaks(handler: ast.ExceptHandler) -> list[ast.Call]:
    """Log calls in an except clause that show the exception: drivers put people's values into its text."""
    return [
        node
        for node in ast.walk(handler)
        if isinstance(node, ast.Call) and _LOGS.fullmatch(called(node)) and handler.name
        and any(told_of(part, handler.name) for part in [*node.args, *(word.value for word in node.keywords)])
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "times"),
    [
        ("logs.event('x', text=str(error))", 1),
        ("_log.warning('x %s', error)", 1),
        ("_log.warning(f'x {error!r}')", 1),
        ("event('x', **describe(error))", 0),
        ("_log.warning('x %s', type(error).__name__)", 0),
    ],
)
def test_logged_exception_text_is_noticed(call: str, times: int) -> None:
    clause = ast.parse(f"try:\n    pass\nexcept OSError as error:\n    {call}").body[0]
    assert isinstance(clause, ast.Try)
    assert len(leaks(clause.handlers[0])) == times


def test_no_log_line_shows_an_exceptions_text() -> None:
    handlers = [(file, node) for file, node in nodes() if isinstance(node, ast.ExceptHandler)]
    assert len(handlers) >= 20
    assert [place(file, call) for file, node in handlers for call in leaks(node)] == []


def test_tracked_files_name_no_registry_and_no_machine() -> None:
    if not (REPO / ".git").exists():
        pytest.skip("only a clone knows which files are tracked")
    # In two parts each, so that this file may be tracked too.
    words = ["pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js", "/wo" + "rk/", "/ro" + "ot/"]
    grep = ["git", "grep", "--ignore-case", "-I", "--line-number", "--fixed-strings"]
    for word in words:
        grep += ["-e", word]
    found = subprocess.run(grep, cwd=REPO, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "")  # 1: git grep found nothing


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_every_package_by_hash_and_carry_no_address(name: str) -> None:
    text = (REPO / name).read_text()
    entries = re.split(r"^(?=[a-zA-Z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) >= 30
    assert [entry.split()[0] for entry in entries
            if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry) or "--hash=sha256:" not in entry] == []  # fmt: skip
    assert not re.search(r"://|--(extra-)?index-url|--find-links| @ ", text)


def test_linters_lock_pins_by_hash_and_carries_no_address() -> None:
    text = (REPO / "openapi/package-lock.json").read_text()
    assert '"resolved"' not in text
    assert text.count('"integrity"') >= 10
