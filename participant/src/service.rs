//! A service: its handlers, its inbox, and how it is started.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::NaiveDate;
use sagas::wire::{CommandMessage, topics};
use sagas::{Command, name};
use sqlx::{Postgres, Transaction};

use crate::batch::Handlers;
use crate::handler::{
    All, BatchHandler, Each, Erased, Handle, Handler, HandlerError, Received, With,
};
use crate::health::Health;
use crate::outside::{self, Outside};
use crate::running::{self, Running};
use crate::{Error, Settings, inbox, kafka, purge};

/// A service that takes part in sagas: a name and its handlers.
#[must_use = "a service does nothing before it is started"]
pub struct Service {
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    health: Health,
    /// The first thing that was registered wrongly; reported by [`Service::start`].
    mistake: Option<Error>,
}

/// The handlers, by command name.
pub(crate) struct Registry {
    participant: String,
    by_command: BTreeMap<&'static str, Box<dyn Erased>>,
    /// Those that take no transaction.
    outside: BTreeMap<&'static str, Box<dyn Outside>>,
}

impl Handlers for Registry {
    fn of(&self, message: &CommandMessage<'_>) -> Option<&dyn Erased> {
        if message.participant != self.participant {
            return None;
        }
        self.by_command
            .get(message.command.as_ref())
            .map(Box::as_ref)
    }

    fn outside(&self, message: &CommandMessage<'_>) -> Option<&dyn Outside> {
        let handler = self.outside.get(message.command.as_ref());
        let is_ours = message.participant == self.participant;
        handler.filter(|_| is_ours).map(Box::as_ref)
    }
}

#[cfg(feature = "testkit")]
impl Registry {
    /// All handlers, each under its command's name.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = (&'static str, &dyn Erased)> {
        let handlers = self.by_command.iter();
        handlers.map(|(command, handler)| (*command, handler.as_ref()))
    }
}

impl Service {
    /// The participant `name`, without handlers yet.
    pub fn new(name: impl Into<String>, settings: Settings) -> Self {
        let registry = Registry {
            participant: name.into(),
            by_command: BTreeMap::new(),
            outside: BTreeMap::new(),
        };
        Self {
            registry,
            settings,
            health: Health::new(),
            mistake: None,
        }
    }

    /// Runs `handler` for each command `C`, in either direction.
    pub fn handle<C, F>(self, handler: F) -> Self
    where
        C: Command,
        F: for<'t, 'c> Handler<&'t mut Transaction<'c, Postgres>, C> + 'static,
    {
        self.add::<C>(Each(handler, PhantomData))
    }

    /// Runs `handler`, which has state, for each command `C`.
    pub fn handle_with<C: Command, H: Handle<C>>(self, handler: Arc<H>) -> Self {
        self.add::<C>(With(handler, PhantomData))
    }

    /// Runs `handler` for all commands `C` of a batch at once.
    pub fn handle_batch<C, F>(self, handler: F) -> Self
    where
        C: Command,
        F: for<'t, 'c> BatchHandler<&'t mut Transaction<'c, Postgres>, C> + 'static,
    {
        self.add::<C>(All(handler, PhantomData))
    }

    /// Runs `handler` for each command `C`, outside any transaction: for a service without a database
    /// of its own ([`Settings::without_database`]), whose effects lie in another system.
    ///
    /// There is no barrier, because there is nowhere to keep it: a command is carried out as often as
    /// it comes, and a compensation may come first. So the other system must know a command that
    /// comes again, by [`Received::id`](crate::Received::id), and must refuse one whose compensation
    /// it has seen. Commands of one batch run side by side. A fence is answered `failed`: nobody can
    /// promise for the other system.
    pub fn handle_outside<C, F, Fut>(mut self, handler: F) -> Self
    where
        C: Command,
        F: Fn(Received<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C::Reply, HandlerError>> + Send + 'static,
    {
        if self.settings.database.is_some() {
            let why = "this service has a database, so its handlers take a transaction";
            self.mistake = self.mistake.or(Some(Error::OtherSurroundings {
                command: C::NAME,
                why,
            }));
        }
        let handler = Box::new(outside::Each(handler, PhantomData));
        let before = self.registry.outside.insert(C::NAME, handler).is_some();
        self.check::<C>(before)
    }

    fn add<C: Command>(mut self, handler: impl Erased + 'static) -> Self {
        if self.settings.database.is_none() {
            let why = "this service has no database, so there is no transaction to take";
            self.mistake = self.mistake.or(Some(Error::OtherSurroundings {
                command: C::NAME,
                why,
            }));
        }
        let before = self.registry.by_command.insert(C::NAME, Box::new(handler));
        let before = before.is_some();
        self.check::<C>(before)
    }

    /// Notes what is wrong with a handler of `C` that was just registered.
    fn check<C: Command>(mut self, has_another: bool) -> Self {
        let mistake = if C::PARTICIPANT != self.registry.participant {
            let service = self.registry.participant.clone();
            Some(Error::ForeignCommand {
                command: C::NAME,
                owner: C::PARTICIPANT,
                service,
            })
        } else if has_another {
            Some(Error::TwoHandlers(C::NAME))
        } else {
            None
        };
        self.mistake = self.mistake.or(mistake);
        self
    }

    /// Its health, in trouble until it has started; the same that [`Running::health`] shows.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Creates or updates the inbox tables. Repeatable; several instances may call it at once.
    ///
    /// Its versions are in `saga_inbox_migrations`, beside the service's own `_sqlx_migrations`.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses, or the tables are of a release that this one does not work
    /// with.
    pub async fn migrate(&self) -> Result<(), Error> {
        match &self.settings.database {
            Some(database) => inbox::migrate(database).await,
            None => Ok(()),
        }
    }

    /// Drops the inbox rows of sagas that started before `day`; commands of theirs are answered
    /// `expired` from then on. Returns how many rows there were.
    ///
    /// A running service does this by itself, for days older than its `inbox_retention`.
    ///
    /// # Errors
    ///
    /// When commands of such sagas may still come, when this process's clock is more than two days
    /// ahead of the database's, or when the database is away.
    pub async fn purge(&self, day: NaiveDate) -> Result<u64, Error> {
        let earliest = purge::days_before_today(self.settings.rows_needed_for());
        if day > earliest {
            return Err(Error::PurgeTooNear { day, earliest });
        }
        let Some(database) = &self.settings.database else {
            return Ok(0);
        };
        let failed = |source| Error::Database {
            doing: "purge the inbox",
            source,
        };
        let clocks = purge::Clocks::read(database).await.map_err(failed)?;
        clocks.check(purge::today())?;
        let dropped = purge::drop_before(database, day, || false).await;
        dropped.map_err(failed)
    }

    /// Checks the configuration, creates the command topic if it is absent, looks at it otherwise,
    /// and begins to answer commands in the background. Call [`Service::migrate`] first.
    ///
    /// # Errors
    ///
    /// When the configuration is not sound, the inbox tables are not there or of a release that this
    /// one does not work with, Kafka does not answer, or the topic would lose commands. What is doubtful about the topic goes to the log.
    pub async fn start(mut self) -> Result<Running, Error> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        check_name("participant", &self.registry.participant)?;
        check_name("prefix", &self.settings.prefix)?;
        self.settings.check_retention()?;
        if let Some(database) = &self.settings.database {
            inbox::check(database).await?;
            sqlx::query("SELECT before_day FROM saga_inbox_watermark")
                .execute(database)
                .await
                .map_err(|source| Error::Database {
                    doing: "read the inbox's watermark",
                    source,
                })?;
        }
        let topic = topics::commands(&self.settings.prefix, &self.registry.participant);
        let partitions = kafka::ensure(&self.settings, &topic).await?;
        let participant = self.registry.participant.clone();
        let handlers = Arc::new(self.registry);
        running::start(
            &participant,
            partitions,
            self.settings,
            handlers,
            self.health,
        )
    }

    /// The handlers, for somebody who brings commands without Kafka.
    #[cfg(feature = "testkit")]
    pub(crate) fn into_registry(self) -> Result<Registry, Error> {
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(self.registry),
        }
    }

    /// Starts, answers commands until `stop` is ready, and stops.
    ///
    /// # Errors
    ///
    /// As [`Service::start`] and [`Running::stop`]; also when the service cannot go on.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let running = self.start().await?;
        tokio::select! {
            () = stop => {}
            () = running.ended() => {}
        }
        running.stop().await
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("participant", &self.registry.participant)
            .field("commands", &self.registry.by_command.keys())
            .finish_non_exhaustive()
    }
}

fn check_name(what: &'static str, text: &str) -> Result<(), Error> {
    name::check(text).map_err(|source| Error::Name {
        what,
        name: text.to_owned(),
        source,
    })
}
