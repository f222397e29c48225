#!/bin/bash
# Run once by the image of PostgreSQL, when it makes a new cluster: a user and a database for each of two programs.
set -euo pipefail
for name in ctrain mlflow; do
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$name" \
        --set=password="$(cat "/run/secrets/${name}_db_password")" --username=postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
