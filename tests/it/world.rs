//! The whole shop, as a user runs it: orchestrators, services, databases, broker, a client.
//!
//! Invariant: names of databases and topics are this world's own, so that worlds of tests that run
//! side by side on shared servers do not meet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sagas_local::folder::Temporary;
use serde_json::{Value, json};
use shop::audit::{Audit, Urls};
use shop::place_order::PlaceOrder;
use shop::services::ServiceName;
use uuid::Uuid;

use crate::process::{Program, binary, tail};
use crate::servers::Servers;
use crate::wait::until;

/// How long a program may take until it is ready, on a machine that does other things, too.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long sagas that nothing stands in the way of may take.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A shop.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: Servers,
    pub(crate) urls: Urls,
    pub(crate) http: reqwest::Client,
    folder: Temporary,
    orchestrators: Vec<(Program, String)>,
    services: BTreeMap<&'static str, Program>,
}

impl World {
    /// Databases and names, and nothing that runs.
    pub(crate) async fn empty(servers: Servers) -> Self {
        let urls = Urls {
            orchestrator: servers.database("saga").await,
            orders: servers.database("orders").await,
            inventory: servers.database("inventory").await,
            payments: servers.database("payments").await,
            shipping: servers.database("shipping").await,
        };
        Self {
            servers,
            urls,
            http: reqwest::Client::new(),
            folder: Temporary::new("saga-it").unwrap(),
            orchestrators: Vec::new(),
            services: BTreeMap::new(),
        }
    }

    /// One orchestrator and all four services, on the shared servers.
    pub(crate) async fn open() -> Self {
        Self::on(Servers::shared().await).await
    }

    /// One orchestrator and all four services.
    pub(crate) async fn on(servers: Servers) -> Self {
        let mut world = Self::empty(servers).await;
        world.start_orchestrator().await;
        for name in ServiceName::ALL {
            world.start_service(name);
        }
        world
    }

    /// One orchestrator, and no service.
    pub(crate) async fn without_services() -> Self {
        let mut world = Self::empty(Servers::shared().await).await;
        world.start_orchestrator().await;
        world
    }

    /// One orchestrator, and all services but one.
    pub(crate) async fn without(absent: ServiceName) -> Self {
        let mut world = Self::without_services().await;
        for name in ServiceName::ALL.into_iter().filter(|name| *name != absent) {
            world.start_service(name);
        }
        world
    }

    /// Starts one more replica, and waits until it is ready. Returns its number.
    pub(crate) async fn start_orchestrator(&mut self) -> usize {
        let number = self.launch_orchestrator(|_| ());
        self.ready(number).await;
        number
    }

    /// Starts one more replica as `adjust` wants it, and does not wait. Returns its number.
    pub(crate) fn launch_orchestrator(&mut self, adjust: impl FnOnce(&mut Command)) -> usize {
        self.launch("shop-orchestrator", adjust)
    }

    /// The same of another program: `saga` has no definitions.
    pub(crate) fn launch(&mut self, program: &str, adjust: impl FnOnce(&mut Command)) -> usize {
        let number = self.orchestrators.len();
        let port = sagas_local::port::free().unwrap();
        let mut command = binary(program);
        command.args(["serve", "--brokers", &self.servers.brokers()]);
        command.args(["--topic-prefix", self.servers.prefix()]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.env("SAGA_DATABASE_URL", &self.urls.orchestrator);
        command.env("SAGA_LOG_LEVEL", "info,sagas_orchestrator=debug");
        // No load balancer looks at it.
        command.env("SAGA_DRAIN_DELAY", "0s");
        let log = self.log(&format!("orchestrator-{number}"));
        adjust(&mut command);
        let program = Program::start(command, log);
        let url = format!("http://127.0.0.1:{port}");
        self.orchestrators.push((program, url));
        number
    }

    /// Waits until replica `number` says that it is ready.
    pub(crate) async fn ready(&self, number: usize) {
        let (program, url) = &self.orchestrators[number];
        until(
            "the orchestrator is ready",
            READY_WITHIN,
            async || match self.http.get(format!("{url}/readyz")).send().await {
                Ok(answer) if answer.status() == 200 => Ok(()),
                answer => Err(format!("{answer:?}\n{}", program.tail())),
            },
        )
        .await;
    }

    pub(crate) fn start_service(&mut self, name: ServiceName) {
        let mut command = binary("shop");
        command.args(["service", name.as_str(), "--seed"]);
        command.args(["--brokers", &self.servers.brokers()]);
        command.args(["--topic-prefix", self.servers.prefix()]);
        command.env("SHOP_DATABASE_URL", self.database_of(name));
        let log = self.log(name.as_str());
        self.services
            .insert(name.as_str(), Program::start(command, log));
    }

    /// A file for the output of a program that a test starts itself.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    pub(crate) fn database_of(&self, name: ServiceName) -> &str {
        match name {
            ServiceName::Orders => &self.urls.orders,
            ServiceName::Inventory => &self.urls.inventory,
            ServiceName::Payments => &self.urls.payments,
            ServiceName::Shipping => &self.urls.shipping,
        }
    }

    pub(crate) fn service(&mut self, name: ServiceName) -> &mut Program {
        self.services
            .get_mut(name.as_str())
            .expect("the service was started")
    }

    pub(crate) fn orchestrator(&mut self, number: usize) -> &mut Program {
        &mut self.orchestrators[number].0
    }

    /// What replica `number` has logged so far.
    pub(crate) fn log_of(&self, number: usize) -> String {
        std::fs::read_to_string(&self.orchestrators[number].0.log).unwrap()
    }

    /// The address of the replica that was started last.
    pub(crate) fn url(&self) -> &str {
        &self
            .orchestrators
            .last()
            .expect("an orchestrator was started")
            .1
    }

    pub(crate) fn url_of(&self, number: usize) -> &str {
        &self.orchestrators[number].1
    }

    /// Submits an order under its own id, again and again until it is taken; gives its saga.
    pub(crate) async fn submit(&self, order: &PlaceOrder) -> Uuid {
        let body = json!({ "saga": "place-order", "input": order });
        until("the order is taken", SOON, async || {
            let request = self.http.post(format!("{}/v1/sagas", self.url()));
            let request = request
                .header("idempotency-key", order.order.to_string())
                .json(&body);
            let answer = request.send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| error.to_string())?;
            match status.as_u16() {
                200..300 => Ok(id_in(&text)),
                429 | 503 => Err(text),
                _ => panic!("an order was answered {status}: {text}"),
            }
        })
        .await
    }

    /// What REST says of a saga.
    pub(crate) async fn saga(&self, id: Uuid) -> Value {
        let url = format!("{}/v1/sagas/{id}", self.url());
        let answer = self.http.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.json().await.unwrap()
    }

    /// Waits until the saga has ended in `state`; gives what REST says of it.
    pub(crate) async fn ended(&self, id: Uuid, state: &str) -> Value {
        until(&format!("saga {id} is {state}"), SOON, async || {
            let saga = self.saga(id).await;
            if saga["state"] == state {
                Ok(saga)
            } else {
                Err(saga)
            }
        })
        .await
    }

    /// Waits until the saga has ended, completed or compensated; gives what REST says of it.
    pub(crate) async fn terminal(&self, id: Uuid) -> Value {
        until(&format!("saga {id} has ended"), SOON, async || {
            let saga = self.saga(id).await;
            if saga["state"] == "completed" || saga["state"] == "compensated" {
                Ok(saga)
            } else {
                Err(saga)
            }
        })
        .await
    }

    /// Waits until `step` of the saga is in `state`; gives what REST says of the saga.
    pub(crate) async fn reaches(&self, id: Uuid, step: &str, state: &str) -> Value {
        until(&format!("{step} is {state}"), SOON, async || {
            let saga = self.saga(id).await;
            let mut steps = saga["steps"].as_array().into_iter().flatten();
            if steps.any(|one| one["name"] == step && one["state"] == state) {
                Ok(saga)
            } else {
                Err(saga)
            }
        })
        .await
    }

    /// Waits until every saga has ended, and audits the books.
    pub(crate) async fn audited(&self, within: Duration) -> Audit {
        until(
            "the audit is clean",
            within,
            async || match shop::audit::run(&self.urls).await {
                Ok(audit) if audit.exit_code() == 2 => Err(format!("{} open", audit.open.len())),
                Ok(audit) => Ok(audit),
                Err(error) => Err(error.to_string()),
            },
        )
        .await
    }
}

/// A test that fails shows what its programs said last.
impl Drop for World {
    #[expect(clippy::print_stderr, reason = "a test's output, shown when it fails")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let files = std::fs::read_dir(self.folder.path()).into_iter().flatten();
        for path in files.flatten().map(|file| file.path()) {
            eprintln!("{}:\n{}\n", path.display(), tail(&path, 15));
        }
    }
}

/// The history without its wakes: on a slow machine, silence may be acted upon meanwhile.
pub(crate) fn told_by_replies(saga: &Value) -> Vec<Value> {
    let history = saga["history"].as_array().unwrap().iter();
    let told = history.filter(|line| line["event"] != "wake");
    told.map(|line| line["text"].clone()).collect()
}

fn id_in(text: &str) -> Uuid {
    let answer: Value = serde_json::from_str(text).unwrap();
    answer["id"].as_str().unwrap().parse().unwrap()
}
