"""The mutations of `make mutants` about keys, and those that open the walls of the network: what is walked, told."""

from tests.mutations import MUTATIONS as OTHERS
from tests.mutations import Mutation, each

# All there are.
MUTATIONS: tuple[Mutation, ...] = (
    *OTHERS,
    # keys
    *each(
        "app/aead.py",
        "tests/test_crypto.py",
        ("one nonce for all", "nonce = os.urandom(_NONCE_BYTES)", "nonce = bytes(_NONCE_BYTES)"),
    ),
    *each(
        "app/rotation.py",
        "tests/test_rotation.py",
        ("destroy what rows need", "if left := await _left(work, layer, org_id):", "if left := list[Lying]():"),
        (
            "destroy what processes use",
            'return has_old and await _seconds_left(work, layer, org_id, "active") > 0',
            "return False",
        ),
    ),
    *each(
        "app/sql/functions/ego_network.sql",
        "tests/test_network_limits.py",
        (
            "walk the network through everybody",
            "v_sees_all CONSTANT boolean := p_owners IS NULL;",
            "v_sees_all CONSTANT boolean := p_owners IS NULL OR p_owners IS NOT NULL;",
        ),
    ),
    *each(
        "app/sql/functions/ego_network.sql",
        "tests/test_networks.py",
        (
            "go on from too few",
            "EXIT WHEN v_last = v_size OR v_new.kept = v_room AND v_strengths[v_last + 1] < v_new.worst;",
            "EXIT WHEN v_last = v_size OR v_new.kept = v_room;",
        ),
    ),
    *each(
        "app/sql/functions/find_paths.sql",
        "tests/test_network_paths.py",
        (
            "walk paths through everybody",
            "v_sees_all boolean := p_is_open OR p_owners IS NULL;",
            "v_sees_all boolean := p_is_open OR p_owners IS NULL OR p_owners IS NOT NULL;",
        ),
        (
            "name whom the caller does not see",
            "'id', NULL, 'name', NULL, 'party_type', NULL, 'stage', NULL, 'is_shadow', NULL,",
            "'id', p.id, 'name', p.name, 'party_type', NULL, 'stage', NULL, 'is_shadow', NULL,",
        ),
        (
            "tell the kind of a tie to somebody unseen",
            "CROSS JOIN LATERAL (SELECT f.is_seen AND o.is_seen AS is_seen, r.left_id = s.from_id AS is_forward) e",
            "CROSS JOIN LATERAL (SELECT f.is_seen OR o.is_seen AS is_seen, r.left_id = s.from_id AS is_forward) e",
        ),
        (
            "forget paths of one hop less",
            "EXIT WHEN cardinality(c_keys) = p_k;",
            "EXIT WHEN cardinality(c_keys) > 0;",
        ),
    ),
    *each(
        "app/sql/get_kin.sql",
        "tests/test_kin.py",
        (
            "infer kin through everybody",
            "JOIN customers c ON c.org_id = $1 AND c.id = e.id AND {visible:c}",
            "JOIN customers c ON c.org_id = $1 AND c.id = e.id AND ($2::uuid[] IS NULL OR true)",
        ),
    ),
    *each(
        "app/sql/get_coverage.sql",
        "tests/test_coverages.py",
        (
            "count ties to everybody as coverage",
            "JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND o.deleted_at IS NULL AND {visible:o}",
            "JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND o.deleted_at IS NULL",
        ),
    ),
    *each(
        "app/sql/get_introduction.sql",
        "tests/test_introductions_access.py",
        (
            "show an introduction to who sees one end",
            "JOIN customers b ON b.org_id = $1 AND b.id = i.target_id AND {visible:b}",
            "JOIN customers b ON b.org_id = $1 AND b.id = i.target_id",
        ),
    ),
    *each(
        "app/services/path_requests.py",
        "tests/test_path_requests.py",
        (
            "take the token of somebody else",
            "return actor.org_id.bytes + actor.id.bytes",
            "return actor.org_id.bytes",
        ),
    ),
    *each(
        "app/access.py",
        "tests/test_shadow_contacts_rights.py",
        (
            "let customer operations reach shadow contacts",
            "statement = statement.where(col(Customer.is_shadow).is_(shadows))",
            "pass",
        ),
    ),
)
