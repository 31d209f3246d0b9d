#!/bin/sh
# Runs once, when the database volume is empty: the owner role migrates, the app role serves and owns nothing, the sealer
# seals the audit trail. A database from before it: CREATE ROLE as below, then `renmai migrate`, which grants.
set -eu
psql -v ON_ERROR_STOP=1 -v owner_password="$RENMAI_OWNER_PASSWORD" -v app_password="$RENMAI_APP_PASSWORD" \
    -v sealer_password="$RENMAI_SEALER_PASSWORD" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE renmai_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE renmai_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'app_password';
CREATE ROLE renmai_sealer LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'sealer_password';
CREATE DATABASE renmai OWNER renmai_owner ENCODING 'UTF8' TEMPLATE template0
    LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
\connect renmai
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gin;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO renmai_owner;
SQL
