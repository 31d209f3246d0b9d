-- $1 org, $2 owners, $3 ids: whether one of them is a restricted customer the caller would see, or something of his.
SELECT r.restriction, r.restricted_until FROM restriction_of($1, $2, $3::uuid[]) r
