#!/bin/sh
# Makes the passwords of docker-compose.yml, once: deploy/secrets.sh [FOLDER]
#
# They are random, they stay on this machine, and git ignores them. Postgres keeps the first ones in
# its volume, so a folder that exists is left alone: a new password would not fit the old volume.
# The files are readable by everybody because containers run under other user ids; the folder is
# closed to everybody but its owner.
set -eu

folder=${1:-$(dirname "$0")/secrets}
if [ -e "$folder" ]; then
    echo "$folder exists; nothing changed. For new passwords, remove it and the volume of Postgres." >&2
    exit 1
fi

umask 022
new=$folder.new.$$
mkdir -m 700 "$new"
trap 'rm -rf "$new"' EXIT

# Hexadecimal, because it goes into URLs as it is.
password() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# The superuser: only Postgres itself reads it.
password > "$new/postgres_password"

# One role and one database each. Who connects gets a URL; Postgres gets the list.
for name in saga orders inventory payments shipping; do
    secret=$(password)
    url="postgres://$name:$secret@postgres:5432/$name"
    echo "$name $secret" >> "$new/database_passwords"
    printf '%s' "$url" > "$new/${name}_database_url"
    if [ "$name" = saga ]; then
        echo "SAGA_DATABASE_URL=$url" >> "$new/audit.env"
    else
        echo "SHOP_$(echo "$name" | tr a-z A-Z)_URL=$url" >> "$new/audit.env"
    fi
done

mv "$new" "$folder"
trap - EXIT
echo "wrote $folder"
