#!/bin/bash
# Makes each service's role and database, once, on an empty volume. Passwords come from the environment.
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

database_of catalog CATALOG_PASSWORD
