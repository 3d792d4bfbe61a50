//! The health check of a service, as a container runs it: `shop health` beside `shop service`.

use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use sagas_local::folder::Temporary;
use sagas_local::process::{Process, Signal};

use crate::fixture::Shop;

/// A start with the in-process broker; the rest is for a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(60);

/// A service with a health listener.
struct Service {
    process: Process,
    address: String,
    _secret: Temporary,
}

impl Service {
    /// Gets its URL from a file, as a container does.
    fn start(database_url: &str, brokers: &str) -> Self {
        let secret = Temporary::new("shop-secret").unwrap();
        let file = secret.path().join("url");
        std::fs::write(&file, format!("{database_url}\n")).unwrap();
        let address = format!("127.0.0.1:{}", sagas_local::port::free().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        command.args(["service", "inventory", "--brokers", brokers]);
        command.args(["--log-level", "error"]);
        command.env("SHOP_DATABASE_URL_FILE", &file);
        command.env("SHOP_HEALTH_LISTEN", &address);
        Self {
            process: Process::spawn(&mut command).unwrap(),
            address,
            _secret: secret,
        }
    }

    /// What the check says, and its exit code.
    fn check(&self) -> (String, Option<i32>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        command
            .arg("health")
            .env("SHOP_HEALTH_LISTEN", &self.address);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    }

    #[track_caller]
    fn becomes(&self, code: i32, word: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let (said, found) = self.check();
            if found == Some(code) && said.contains(word) {
                return;
            }
            assert!(
                Instant::now() < until,
                "not {code}, {word:?}: {found:?}, {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_that_hangs_or_is_gone_fails_its_health_check() {
    let shop = Shop::open().await;
    let url = shop.urls.inventory.clone();
    tokio::task::spawn_blocking(move || {
        let broker = MockCluster::new(1).unwrap();
        broker
            .create_topic("saga.inventory.commands", 2, 1)
            .unwrap();
        let mut service = Service::start(&url, &broker.bootstrap_servers());
        service.becomes(0, "database: ok\nbroker: ok\ncommands: ok\n");

        service.process.signal(Signal::Stop).unwrap();
        service.becomes(1, "error: no answer from the service at 127.0.0.1:");
        service.process.signal(Signal::Continue).unwrap();
        service.becomes(0, "database: ok");

        let status = service.process.stop(Signal::Terminate, LIMIT).unwrap();
        assert!(status.success(), "{status}");
        service.becomes(1, "error: no answer from the service at 127.0.0.1:");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_database_lets_nobody_in_fails_its_health_check_and_recovers() {
    let shop = Shop::open().await;
    let url = shop.urls.inventory.clone();
    let database = url.rsplit('/').next().unwrap().to_owned();
    let admin = shop.orders.clone();
    let statement = |text: &str| sqlx::raw_sql(sqlx::AssertSqlSafe(text.replace("$1", &database)));
    let broker = MockCluster::new(1).unwrap();
    broker
        .create_topic("saga.inventory.commands", 2, 1)
        .unwrap();
    let service = Service::start(&url, &broker.bootstrap_servers());
    let becomes = |code, word| tokio::task::block_in_place(|| service.becomes(code, word));
    becomes(0, "database: ok");

    let close = "ALTER DATABASE $1 ALLOW_CONNECTIONS false";
    statement(close).execute(&admin).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$1'";
    statement(cut).execute(&admin).await.unwrap();
    becomes(1, "s: it does not answer\nbroker: ok");
    let open = "ALTER DATABASE $1 ALLOW_CONNECTIONS true";
    statement(open).execute(&admin).await.unwrap();
    becomes(0, "database: ok");
}
