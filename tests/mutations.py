"""The mutations of `make mutants`: each takes one decision out of the code that keeps people apart or strangers out.

`before` is one whole line of the file without its indentation, and stands there exactly once; an empty `after` leaves
the line out. `tests` names the file (or the test) that is meant to notice. A mutant must still run.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """One line of `file` replaced by another; `tests` is an argument of pytest."""

    name: str
    file: str
    before: str
    after: str
    tests: str


def each(file: str, tests: str, *lines: tuple[str, str, str]) -> Iterator[Mutation]:
    """Mutations of one file for the same tests: name, before, after."""
    return (Mutation(name, file, before, after, tests) for name, before, after in lines)


# These use nothing of conftest.py: without it they start no database.
WITHOUT_DATABASE = frozenset(
    f"tests/test_{name}.py"
    for name in ("tokens", "token_format", "dpop", "crypto", "passwords", "guard_json", "logs", "logs_headers")
)

MUTATIONS = (
    # tokens
    *each(
        "app/tokens.py",
        "tests/test_tokens.py",
        ("accept any alg", 'if parts.header.get("alg") != ALGORITHM:', 'if "alg" not in parts.header:'),
        ("skip the signature", "if not key.verify(parts.signing_input, parts.signature):", "if not parts.signature:"),
        (
            "skip aud",
            'if members["iss"] != self.issuer or members["aud"] != self.audience:',
            'if members["iss"] != self.issuer:',
        ),
        (
            "skip iss",
            'if members["iss"] != self.issuer or members["aud"] != self.audience:',
            'if members["aud"] != self.audience:',
        ),
        ("skip exp", "if claims.expires_at <= now - self.leeway:", "if claims.expires_at <= 0:"),
        ("skip typ", 'if header.keys() != _HEADER or header["typ"] != TOKEN_TYPE:', "if header.keys() != _HEADER:"),
    ),
    *each(
        "app/token_format.py",
        "tests/test_token_format.py",
        ("accept a claim twice", "if len(members) != len(pairs):", "if len(members) > len(pairs):"),
    ),
    # keys of devices
    *each(
        "app/deps.py",
        "tests/test_promises_devices.py",
        ("bound token as Bearer", "if is_bound is (claims.jkt is None):", "if is_bound and claims.jkt is None:"),
        ("ask for no proof", "if claims.jkt is not None:", "if claims.jkt is not None and not is_bound:"),
    ),
    *each(
        "app/services/sessions.py",
        "tests/test_promises_devices.py",
        ("accept a proof again", "raise ProofRefused", "return"),
        (
            "refresh without the key",
            "if proof is None or row.dpop_jkt != proof.jkt:",
            "if proof is None:",
        ),
    ),
    *each(
        "app/dpop.py",
        "tests/test_dpop.py",
        (
            "proof of any key",
            "if bound_to is not None and not hmac.compare_digest(jkt, bound_to):",
            "if bound_to is not None and not jkt:",
        ),
        (
            "skip ath",
            "if access_token is not None and ath != encoded(hashlib.sha256(access_token.encode()).digest()):",
            "if access_token is not None and ath is None:",
        ),
        ("skip htu", "if not _is_one_of(htu, urls):", "if not htu:"),
    ),
    # who sees and manages whom
    *each(
        "app/access.py",
        "tests/test_customers.py",
        (
            "drop the owner filter (writes)",
            "owners = _any_of(actor.owners)",
            "return statement",
        ),
        ("unmask for auditors", "is_masked=role is Role.auditor,", "is_masked=False,"),
    ),
    *each(
        "app/sql/get_customer.sql",
        "tests/test_customers.py",
        (
            "drop the owner filter (one customer)",
            "WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}",
            "WHERE c.org_id = $1 AND c.id = $3 AND ($2::uuid[] IS NULL OR true)",
        ),
    ),
    *each(
        "app/sql/list_customers.sql",
        "tests/test_customers.py",
        (
            "drop the owner filter (list)",
            "WHERE c.org_id = $1 AND {visible:c} AND c.deleted_at IS NULL AND NOT c.is_shadow",
            "WHERE c.org_id = $1 AND ($2::uuid[] IS NULL OR true) AND c.deleted_at IS NULL",
        ),
    ),
    *each(
        "app/sql/get_relationship.sql",
        "tests/test_relationships_access.py",
        (
            "show the hidden end of a relationship",
            "AND {visible:o} AND o.deleted_at IS NULL",
            "AND o.deleted_at IS NULL",
        ),
    ),
    *each(
        "app/access.py",
        "tests/test_users.py",
        ("manage every account", "statement = statement.where(col(User.id) == _any_of(actor.managed))", "pass"),
    ),
    *each(
        "app/services/sessions_login.py",
        "tests/test_races.py",
        (
            "sign in to an account that changed meanwhile",
            "if user is None or not is_right or not await _is_unchanged(session, user):",
            "if user is None or not is_right:",
        ),
    ),
    *each(
        "app/access.py",
        "tests/test_races.py",
        (
            "customers for somebody who is leaving",
            'statement = "SELECT true FROM users WHERE org_id = $1 AND id = $2 AND disabled_at IS NULL FOR KEY SHARE"',
            'statement = "SELECT true FROM users WHERE org_id = $1 AND id = $2 FOR KEY SHARE"',
        ),
    ),
    *each(
        "app/sql/actor_state.sql",
        "tests/test_users.py",
        (
            "manager manages administrators",
            "WHERE below.role = 'agent' OR (below.role = 'manager' AND below.team_id <> me.team_id))",
            "WHERE below.id <> me.id)",
        ),
        ("disabled user acts on", "AND u.disabled_at IS NULL AND u.deleted_at IS NULL", "AND u.deleted_at IS NULL"),
    ),
    *each(
        "app/sql/actor_state.sql",
        "tests/test_sessions.py",
        (
            "revoked session acts on",
            "AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.absolute_expires_at > now()",
            "AND s.idle_expires_at > now() AND s.absolute_expires_at > now()",
        ),
    ),
    *each(
        "app/deps.py",
        "tests/test_users.py",
        ("remember callers for a minute", "ACTOR_SECONDS = 0.9", "ACTOR_SECONDS = 60"),
    ),
    *each(
        "app/deps.py",
        "tests/test_api_keys.py",
        (
            "skip the scope",
            "if self.scope not in actor.scopes:",
            "if actor.pending and self.scope not in actor.scopes:",
        ),
        (
            "any secret fits an API key",
            'if found is None or not apikeys.matches(keyring.current().api_keys, parsed, found["key_hash"]):',
            "if found is None:",
        ),
    ),
    *each(
        "app/deps.py",
        "tests/test_second_factors.py",
        (
            "skip freshness",
            'if self.is_fresh and request.scope["state"]["auth_time"] < time.time() - FRESH_SECONDS:',
            'if self.is_fresh and request.scope["state"]["auth_time"] < 0:',
        ),
    ),
    # the wall in the database
    *each(
        "migrations/steps.py",
        "tests/test_database.py",
        (
            "row-level security off",
            'f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",',
            'f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",',
        ),
        (
            "write into any organisation",
            'f"CREATE POLICY {table}_org ON {table} USING ({column} = app_org()) WITH CHECK ({column} = app_org())",',
            'f"CREATE POLICY {table}_org ON {table} USING ({column} = app_org()) WITH CHECK (true)",',
        ),
    ),
    *each(
        "migrations/versions/2026_11_23_0003_customers.py",
        "tests/test_database.py",
        (
            "one table without a wall",
            'protect("relationships")',
            'sql("GRANT SELECT, INSERT, UPDATE ON relationships TO renmai_app")',
        ),
    ),
    *each(
        "app/sql/functions/match_customers.sql",
        "tests/test_database.py",
        (
            "search any organisation",
            "IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN",
            "IF p_org IS NULL THEN",
        ),
    ),
    # ciphers and hashes
    *each(
        "app/crypto.py",
        "tests/test_crypto.py",
        (
            "skip AAD",
            'return joined(b"renmai/field", self._org, table.encode(), column.encode(), row_id.bytes, head)',
            'return b""',
        ),
        (
            "blind index without organisation",
            'info = joined(b"renmai/blind", self._org.bytes, table.encode(), column.encode(), aead.head_of(place[0]))',
            'info = joined(b"renmai/blind", table.encode(), column.encode(), aead.head_of(place[0]))',
        ),
        (
            "skip the MAC of cursors",
            "if not is_canonical or body[:1] != _BLOB_VERSION or not hmac.compare_digest(mac, _blob_mac(key, body)):",
            "if not is_canonical or body[:1] != _BLOB_VERSION or not mac:",
        ),
    ),
    *each(
        "app/passwords.py",
        "tests/test_passwords.py",
        (
            "pepper nothing",
            'return hmac.digest(self._pepper, b"renmai/password/1\\0" + raw, "sha256")',
            'return hmac.digest(bytes(32), b"renmai/password/1\\0" + raw, "sha256")',
        ),
        ("unknown accounts answer at once", 'self._argon.verify(self._dummy, secret or b"\\x01")', "pass"),
    ),
    # writes
    *each(
        "app/etags.py",
        "tests/test_customers.py",
        ("ignore If-Match", "if current != wanted:", "if wanted == 0:"),
    ),
    *each(
        "app/idempotency.py",
        "tests/test_idempotency.py",
        (
            "idempotency key answers any request",
            'if row["request_hash"] not in (digest, sent):',
            'if row["request_hash"] is None:',
        ),
    ),
    *each(
        "app/services/customers_private.py",
        "tests/test_departures.py",
        (
            "keep private notes at departure",
            'blobs.append(_seal(cipher, row["id"], {**private, "note": None}))',
            'blobs.append(_seal(cipher, row["id"], private))',
        ),
    ),
    *each(
        "app/paging.py",
        "tests/test_relationships_access.py",
        ("cursor of another query", "if payload[:12] != _shown(key, bound):", "if len(payload) < 12:"),
    ),
    # signing in, staying signed in
    *each(
        "app/services/sessions.py",
        "tests/test_sessions.py",
        (
            "stolen refresh token ends nothing",
            'row.revoked_at, row.revoked_reason = now, "refresh_reused"',
            'row.revoked_reason = "refresh_reused"',
        ),
        ("grace without end", "RETRY_GRACE = timedelta(seconds=30)", "RETRY_GRACE = timedelta(days=30)"),
    ),
    *each(
        "app/services/users_password.py",
        "tests/test_users_password.py",
        (
            "changed password ends no session",
            'session, actor.org_id, actor.id, reason="password_changed", keep=actor.session_id',
            'session, actor.org_id, actor.org_id, reason="password_changed", keep=actor.session_id',
        ),
    ),
    *each(
        "app/services/invitations.py",
        "tests/test_invitations.py",
        (
            "reset password ends no session",
            'await sessions.end_all(session, row.org_id, user.id, reason="password_changed")',
            "",
        ),
        ("invitation twice", "col(Invitation.accepted_at).is_(None),", ""),
    ),
    *each(
        "app/services/second_factors.py",
        "tests/test_second_factors.py",
        ("code of the authenticator twice", "if not right or max(right) <= factor.last_step:", "if not right:"),
        ("recovery code twice", "col(RecoveryCode.used_at).is_(None),", ""),
    ),
    *each(
        "app/guesses.py",
        "tests/test_security.py",
        (
            "guesses without end",
            'late = [row["until"] for row in rows if row["used"] > limits[row["bucket"]]]',
            'late = [row["until"] for row in rows if row["used"] < 0]',
        ),
    ),
    *each(
        "app/services/sessions_login.py",
        "tests/test_second_factors.py",
        (
            "guesses at codes count for nothing",
            'if not isinstance(outcome, AppError) or outcome.code != "login_failed":',
            "if outcome is not None:",
        ),
    ),
    *each(
        "app/services/sessions_login.py",
        "tests/test_promises_sessions.py::test_device_token_is_good_for_one_person_and_one_device",
        (
            "device token of anybody",
            "return payload == _device_payload(user, data.device.id)",
            "return len(payload) == len(_device_payload(user, data.device.id))",
        ),
    ),
    *each(
        "app/services/sessions_login.py",
        "tests/test_races.py",
        ("user who was shut out meanwhile signs in", "col(User.disabled_at).is_(None),", ""),
    ),
    # what is read and what is told
    *each(
        "app/guard.py",
        "tests/test_guard_json.py",
        ("accept a member twice", "if len(found) != len(pairs):", "if len(found) > len(pairs):"),
        (
            "any depth",
            "if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > max_depth:",
            "if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) < 0:",
        ),
    ),
    *each(
        "app/models/base.py",
        "tests/test_customers.py",
        (
            "ignore unknown members",
            'model_config = ConfigDict(extra="forbid")'
            "  # type: ignore[assignment]  # SQLModel narrows the type of its config",
            'model_config = ConfigDict(extra="ignore")'
            "  # type: ignore[assignment]  # SQLModel narrows the type of its config",
        ),
    ),
    *each(
        "app/handlers.py",
        "tests/test_errors.py",
        (
            "repeat what was sent",
            'return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,59}", name) else "?"',
            "return name",
        ),
    ),
    *each(
        "app/logs.py",
        "tests/test_logs.py",
        ("log the query", '"route": route,', "\"route\": f\"{route}?{scope.get('query_string', b'').decode()}\","),
    ),
    *each(
        "app/logs.py",
        "tests/test_logs_headers.py",
        ("believe every X-Forwarded-For", "if not client or client[0] not in self._trusted:", "if not client:"),
    ),
)
