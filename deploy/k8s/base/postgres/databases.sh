#!/bin/bash
# Makes each service's role and database, and an auditor's role, once, on an empty volume. Passwords come from the environment.
set -euo pipefail

database_of() { # SERVICE PASSWORD_VARIABLE
    psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 -v service="$1" -v database="souk_$1" \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
\getenv password $2
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"service";
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
SQL
}

database_of acquirer ACQUIRER_PASSWORD
database_of cart CART_PASSWORD
database_of catalog CATALOG_PASSWORD
database_of checkout CHECKOUT_PASSWORD
database_of inventory INVENTORY_PASSWORD
database_of payment PAYMENT_PASSWORD

# Who may read everything and write nothing: `souk fsck`.
psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password AUDITOR_PASSWORD
CREATE ROLE auditor LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
GRANT pg_read_all_data TO auditor;
SELECT format('GRANT CONNECT ON DATABASE %I TO auditor', datname) FROM pg_database WHERE datname LIKE 'souk\_%' \gexec
SQL
