#!/bin/sh
# Runs once, when the volume of Postgres is empty: one role and one database for each line
# `name password` of the list. A role can log in to its own database and to no other one.
#
# The image's entry point starts this as the superuser of a server that nobody else can reach yet.
set -eu

list=${DATABASE_PASSWORDS_FILE:-/run/secrets/database_passwords}
while read -r NAME PASSWORD; do
    # Through the environment, because arguments are visible to every process.
    export NAME PASSWORD
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv name NAME
\getenv password PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done < "$list"
