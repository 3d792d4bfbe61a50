//! Every statement that knows the orchestrator's tables, for those who check and fill them.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sagas::Timestamp;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::time::{Instant, sleep};

use crate::load::Totals;

/// A saga that ends before the first partitions of the archive are made is moved there later.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(90);

/// How long the last sagas may take to end once nobody submits any more.
const END_LIMIT: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Copies are made so many at a time, so that no transaction gets huge.
const CHUNK: u64 = 100_000;

/// The orchestrator's database.
#[derive(Debug)]
pub(crate) struct Database(PgConnection);

/// An open saga, and how far it had come.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    shards: Vec<i16>,
    ids: Vec<Uuid>,
    revisions: Vec<i64>,
}

/// What is kept of sagas that have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) sagas: i64,
    pub(crate) bytes: i64,
}

/// What is different in the copies of a saga. The texts are SQL over `c.n` (the copy's number, from
/// 1) and `t` (the row that is copied).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copies<'a> {
    /// The saga that is copied, with its history.
    pub(crate) template: Uuid,
    pub(crate) count: u64,
    /// How much earlier the copy began, moved and ended: an interval.
    pub(crate) earlier: &'a str,
    /// When it is due: a timestamp; `None` for a saga that has ended.
    pub(crate) due_at: Option<&'a str>,
}

impl Database {
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = PgConnection::connect(url).await;
        Ok(Self(connection.context("connect to the database")?))
    }

    /// Its size on disk in bytes, indexes included.
    pub(crate) async fn stored_bytes(&mut self) -> anyhow::Result<i64> {
        self.number("SELECT pg_database_size(current_database())")
            .await
    }

    /// What is kept, once what is open has ended, and autovacuum has done what it would do sooner or
    /// later: the space of sagas that are gone from a table is used again.
    pub(crate) async fn kept(&mut self) -> anyhow::Result<Kept> {
        self.all_ended().await?;
        self.tidy().await?;
        Ok(Kept {
            sagas: self.number("SELECT count(*) FROM every_saga").await?,
            bytes: self.stored_bytes().await?,
        })
    }

    /// Bytes that the server has ever written ahead.
    pub(crate) async fn logged_bytes(&mut self) -> anyhow::Result<i64> {
        self.number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
            .await
    }

    /// Sagas that have not ended.
    pub(crate) async fn open_count(&mut self) -> anyhow::Result<i64> {
        self.number("SELECT count(*) FROM saga WHERE status NOT IN ('completed', 'compensated')")
            .await
    }

    /// For how long the longest due saga waits to be woken.
    pub(crate) async fn overdue(&mut self) -> anyhow::Result<Duration> {
        let longest =
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(wake_at)), 0)::float8
            FROM saga WHERE wake_at <= clock_timestamp()";
        let longest = sqlx::query_scalar(longest).fetch_one(&mut self.0).await?;
        Ok(Duration::from_secs_f64(longest))
    }

    /// Waits until every saga has ended, and compares with what clients were told. A fast wrong run
    /// is a failed run. `copied`: completed sagas that no client submitted.
    pub(crate) async fn ensure_ended(&mut self, told: Totals, copied: u64) -> anyhow::Result<()> {
        self.all_ended().await?;
        let completed = self.ended("completed").await? - copied;
        let compensated = self.ended("compensated").await?;
        let untold = completed + compensated - told.completed - told.compensated;
        ensure!(
            completed >= told.completed
                && compensated >= told.compensated
                && untold == told.unanswered,
            "{completed} sagas are completed and {compensated} compensated, but clients were told {told:?}"
        );
        let lost = "SELECT count(*) FROM dead_letter";
        let lost = self.number(lost).await?;
        ensure!(lost == 0, "{lost} replies are dead letters");
        Ok(())
    }

    async fn all_ended(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let open = self.open_count().await?;
            if open == 0 {
                return Ok(());
            }
            let in_time = Instant::now() < deadline;
            ensure!(in_time, "{open} sagas have not ended after {END_LIMIT:?}");
            sleep(POLL).await;
        }
    }

    async fn ended(&mut self, status: &str) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM every_saga WHERE status = $1")
            .bind(status)
            .fetch_one(&mut self.0)
            .await?;
        Ok(count.unsigned_abs())
    }

    /// The sagas that are open.
    pub(crate) async fn open_ids(&mut self) -> anyhow::Result<HashSet<Uuid>> {
        let open = "SELECT id FROM saga WHERE status NOT IN ('completed', 'compensated')";
        let ids = sqlx::query_scalar(open).fetch_all(&mut self.0).await?;
        Ok(ids.into_iter().collect())
    }

    /// How far these sagas are.
    pub(crate) async fn standing(&mut self, ids: &HashSet<Uuid>) -> anyhow::Result<Standing> {
        let ids: Vec<Uuid> = ids.iter().copied().collect();
        let now = "SELECT shard, id, revision FROM saga WHERE id = ANY ($1)";
        let mut standing = Standing::default();
        for row in sqlx::query(now).bind(ids).fetch_all(&mut self.0).await? {
            standing.shards.push(row.try_get("shard")?);
            standing.ids.push(row.try_get("id")?);
            standing.revisions.push(row.try_get("revision")?);
        }
        Ok(standing)
    }

    /// When each of them moved first since then.
    pub(crate) async fn first_moves(&mut self, was: &Standing) -> anyhow::Result<Vec<Timestamp>> {
        let moves = "SELECT min((entry ->> 'at')::bigint)
             FROM unnest($1::smallint[], $2::uuid[], $3::bigint[]) AS was (shard, id, revision)
             JOIN every_saga s ON s.shard = was.shard AND s.id = was.id
             CROSS JOIN jsonb_array_elements(s.history::jsonb) AS entry
             WHERE (entry ->> 'revision')::bigint > was.revision
             GROUP BY was.id";
        let moves: Vec<i64> = sqlx::query_scalar(moves)
            .bind(&was.shards)
            .bind(&was.ids)
            .bind(&was.revisions)
            .fetch_all(&mut self.0)
            .await?;
        ensure!(
            moves.len() == was.ids.len(),
            "{} of {} sagas have moved",
            moves.len(),
            was.ids.len()
        );
        Ok(moves.into_iter().map(Timestamp::from_micros).collect())
    }

    /// The server's time.
    pub(crate) async fn now(&mut self) -> anyhow::Result<Timestamp> {
        let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        Ok(Timestamp::from_micros(self.number(now).await?))
    }

    /// Some saga that is completed.
    pub(crate) async fn a_completed_saga(&mut self) -> anyhow::Result<Uuid> {
        let any = "SELECT id FROM saga_archive WHERE NOT is_compensated LIMIT 1";
        let deadline = Instant::now() + ARCHIVED_WITHIN;
        loop {
            let id = sqlx::query_scalar(any).fetch_optional(&mut self.0).await?;
            if let Some(id) = id {
                return Ok(id);
            }
            ensure!(Instant::now() < deadline, "there is no completed saga");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The only open saga, once it is not due within `quiet` any more.
    pub(crate) async fn the_waiting_saga(&mut self, quiet: Duration) -> anyhow::Result<Uuid> {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let waiting = "SELECT id FROM saga WHERE status = 'running' \
                AND wake_at > clock_timestamp() + $1 * interval '1 second'";
            let id = sqlx::query_scalar(waiting)
                .bind(quiet.as_secs_f64())
                .fetch_optional(&mut self.0)
                .await?;
            if let Some(id) = id {
                return Ok(id);
            }
            ensure!(
                Instant::now() < deadline,
                "the open saga does not calm down"
            );
            sleep(POLL).await;
        }
    }

    /// Copies a saga under new ids, an open one among the open ones, one that has ended into the
    /// archive; `tell` hears how many there are. The table `bench_copy` has the id and, where it is due,
    /// `due_at` of each.
    pub(crate) async fn copy(
        &mut self,
        copies: &Copies<'_>,
        tell: impl Fn(u64),
    ) -> anyhow::Result<()> {
        let (due_at, moving) = match copies.due_at {
            None => ("NULL", "t.moving".to_owned()),
            // The instant stands in the row twice, once of it in microseconds.
            Some(due_at) => (
                due_at,
                r#"regexp_replace(t.moving, '"due_at":\d+',
                    '"due_at":' || (extract(epoch FROM c.due_at) * 1000000)::bigint)"#
                    .to_owned(),
            ),
        };
        // The shard follows from the id's last bits, as long as their number is a power of two.
        let shards = self
            .number("SELECT shards::bigint FROM installation")
            .await?;
        ensure!(
            256 % shards == 0,
            "copies cannot be spread over {shards} shards"
        );
        let table = match copies.due_at {
            None => "saga_archive",
            Some(_) => "saga",
        };
        let shard = i64::from(copies.template.as_bytes()[15]) % shards;
        let rows = self.insert(table, copies.earlier, &moving, shard).await?;
        let numbers = format!(
            "INSERT INTO bench_copy (n, id, shard, due_at) SELECT c.n, c.id,
                 (get_byte(uuid_send(c.id), 15) % {shards})::smallint, {due_at}
             FROM (SELECT n, gen_random_uuid() AS id FROM generate_series($1::bigint, $2::bigint) n) c"
        );
        self.run("DROP TABLE IF EXISTS bench_copy").await?;
        self.run(
            "CREATE UNLOGGED TABLE bench_copy (
                 n bigint, id uuid, shard smallint, due_at timestamptz, moved_at timestamptz)",
        )
        .await?;
        let mut done = 0;
        while done < copies.count {
            let last = (done + CHUNK).min(copies.count);
            sqlx::query(AssertSqlSafe(numbers.as_str()))
                .bind(i64::try_from(done + 1)?)
                .bind(i64::try_from(last)?)
                .execute(&mut self.0)
                .await?;
            sqlx::query(AssertSqlSafe(rows.as_str()))
                .bind(copies.template)
                .bind(i64::try_from(done + 1)?)
                .execute(&mut self.0)
                .await?;
            done = last;
            tell(done);
        }
        Ok(())
    }

    /// The statement that copies a table's row of the saga `$1` for the copies from number `$2` on; it
    /// names no column that is the same in a copy.
    async fn insert(
        &mut self,
        table: &str,
        earlier: &str,
        moving: &str,
        shard: i64,
    ) -> anyhow::Result<String> {
        let columns = sqlx::query(
            "SELECT column_name::text AS name, data_type::text AS type FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
        )
        .bind(table)
        .fetch_all(&mut self.0)
        .await?;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in columns {
            let name: String = column.try_get("name")?;
            let value = match (name.as_str(), column.try_get("type")?) {
                ("shard", _) => "c.shard".to_owned(),
                ("wake_at", _) => "c.due_at".to_owned(),
                ("moving", _) => moving.to_owned(),
                ("id", _) => "c.id".to_owned(),
                // What should have gone by now goes tomorrow.
                ("drop_on", _) => {
                    format!("greatest(current_date + 1, (t.drop_on - {earlier})::date)")
                }
                (name, "timestamp with time zone") => format!("t.{name} - {earlier}"),
                (name, _) => format!("t.{name}"),
            };
            names.push(name);
            values.push(value);
        }
        let (names, values) = (names.join(", "), values.join(", "));
        Ok(format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM bench_copy c, {table} t
             WHERE t.id = $1 AND t.shard = {shard} AND c.n >= $2"
        ))
    }

    /// What autovacuum would do sooner or later, now.
    pub(crate) async fn tidy(&mut self) -> anyhow::Result<()> {
        self.run("VACUUM (ANALYZE)").await?;
        self.run("CHECKPOINT").await
    }

    /// How late the copies that were due have moved first; those that have not are missing. A row
    /// knows its last move only: call it more often than sagas move.
    pub(crate) async fn lateness(&mut self) -> anyhow::Result<Vec<Duration>> {
        self.run(
            "UPDATE bench_copy c SET moved_at = s.updated_at FROM saga s
             WHERE s.shard = c.shard AND s.id = c.id
                 AND c.moved_at IS NULL AND s.updated_at >= c.due_at",
        )
        .await?;
        let late = "SELECT extract(epoch FROM moved_at - due_at)::float8 AS late
            FROM bench_copy WHERE moved_at IS NOT NULL";
        let rows = sqlx::query(late).fetch_all(&mut self.0).await?;
        let late = |row| {
            Ok(Duration::from_secs_f64(sqlx::Row::try_get::<f64, _>(
                &row, "late",
            )?))
        };
        rows.into_iter().map(late).collect()
    }

    async fn number(&mut self, query: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.0).await?)
    }

    async fn run(&mut self, statement: &'static str) -> anyhow::Result<()> {
        sqlx::raw_sql(statement).execute(&mut self.0).await?;
        Ok(())
    }
}
