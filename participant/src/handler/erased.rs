//! Handlers of any command type behind one face: JSON in, JSON out.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use sagas::Command;
use sagas::wire::{CommandMessage, Fault};
use sqlx::{Postgres, Transaction};

use super::{BatchHandler, Handle, Handler, HandlerError, Received};

/// The transaction that handlers are given.
pub(crate) type Tx<'c> = Transaction<'c, Postgres>;

/// Per command: the reply's JSON, or the refusal. An error concerns all of them.
pub(crate) type Results = Result<Vec<Result<String, Fault>>, HandlerError>;

type Running<'a> = Pin<Box<dyn Future<Output = Results> + Send + 'a>>;

/// A handler whose command type is forgotten.
pub(crate) trait Erased: Send + Sync {
    /// Whether it takes more than one command at a time.
    fn takes_many(&self) -> bool;

    /// Runs it. The results are as many as the commands, in their order.
    fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        commands: &'a [&'a CommandMessage<'static>],
    ) -> Running<'a>;
}

pub(crate) fn receive<C: Command>(message: &CommandMessage<'_>) -> Result<Received<C>, Fault> {
    let command = sagas::json::from_slice(&message.payload)
        .map_err(|error| Fault::new("unreadable-payload", error.to_string()))?;
    Ok(Received {
        saga: message.saga,
        step: message.step.clone().into_owned(),
        direction: message.direction,
        generation: message.generation,
        attempt: message.attempt,
        command,
        id: message.id,
        started_at: message.started_at,
        deadline: message.deadline,
    })
}

pub(crate) fn to_json<R: serde::Serialize>(reply: &R) -> Result<String, HandlerError> {
    serde_json::to_string(reply)
        .map_err(|error| HandlerError::failed("unwritable-reply", error.to_string()))
}

fn one<R: serde::Serialize>(reply: &R) -> Results {
    Ok(vec![Ok(to_json(reply)?)])
}

/// A function for one command.
pub(crate) struct Each<F, C>(pub(crate) F, pub(crate) PhantomData<fn(C)>);

impl<F, C> Erased for Each<F, C>
where
    C: Command,
    F: for<'t, 'c> Handler<&'t mut Transaction<'c, Postgres>, C>,
{
    fn takes_many(&self) -> bool {
        false
    }

    fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        commands: &'a [&'a CommandMessage<'static>],
    ) -> Running<'a> {
        Box::pin(async move {
            match receive(commands[0]) {
                Ok(received) => one(&self.0.call(tx, received).await?),
                Err(fault) => Ok(vec![Err(fault)]),
            }
        })
    }
}

/// A value with state, for one command.
pub(crate) struct With<H, C>(pub(crate) Arc<H>, pub(crate) PhantomData<fn(C)>);

impl<H: Handle<C>, C: Command> Erased for With<H, C> {
    fn takes_many(&self) -> bool {
        false
    }

    fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        commands: &'a [&'a CommandMessage<'static>],
    ) -> Running<'a> {
        Box::pin(async move {
            match receive(commands[0]) {
                Ok(received) => one(&self.0.handle(tx, received).await?),
                Err(fault) => Ok(vec![Err(fault)]),
            }
        })
    }
}

/// A function for many commands.
pub(crate) struct All<F, C>(pub(crate) F, pub(crate) PhantomData<fn(C)>);

impl<F, C> Erased for All<F, C>
where
    C: Command,
    F: for<'t, 'c> BatchHandler<&'t mut Transaction<'c, Postgres>, C>,
{
    fn takes_many(&self) -> bool {
        true
    }

    fn run<'a>(
        &'a self,
        tx: &'a mut Tx<'_>,
        commands: &'a [&'a CommandMessage<'static>],
    ) -> Running<'a> {
        Box::pin(async move {
            let mut received = Vec::with_capacity(commands.len());
            let mut unreadable = Vec::new();
            for (place, message) in commands.iter().enumerate() {
                match receive(message) {
                    Ok(command) => received.push(command),
                    Err(fault) => unreadable.push((place, fault)),
                }
            }
            let expected = received.len();
            let mut results = Vec::with_capacity(commands.len());
            if expected > 0 {
                for result in self.0.call(tx, received).await? {
                    results.push(match result {
                        Ok(reply) => Ok(to_json(&reply)?),
                        Err(rejection) => Err(rejection.into()),
                    });
                }
            }
            if results.len() != expected {
                let message = format!("{} answers to {expected} commands", results.len());
                return Err(HandlerError::failed("wrong-number-of-answers", message));
            }
            for (place, fault) in unreadable {
                results.insert(place, Err(fault));
            }
            Ok(results)
        })
    }
}
