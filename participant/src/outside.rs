//! Commands of a service without a database: handlers that run outside any transaction.
//!
//! There is no barrier here, because a barrier is worth as much as the row it is kept in. What comes
//! twice is carried out twice, unless the system that has the effects knows the command's id.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;

use sagas::barrier::Answer;
use sagas::wire::{CommandMessage, Fault};
use sagas::{Command, Direction, Outcome};

use crate::batch::{Handlers, Job, database_fault, too_large};
use crate::handler::{HandlerError, Received, receive, to_json};

type Running<'a> = Pin<Box<dyn Future<Output = Result<String, HandlerError>> + Send + 'a>>;

/// A handler whose command type is forgotten.
pub(crate) trait Outside: Send + Sync {
    /// Runs it; gives the reply as JSON.
    fn run<'a>(&'a self, message: &'a CommandMessage<'static>) -> Running<'a>;
}

/// A function for one command.
pub(crate) struct Each<F, C>(pub(crate) F, pub(crate) PhantomData<fn(C)>);

impl<C, F, Fut> Outside for Each<F, C>
where
    C: Command,
    F: Fn(Received<C>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<C::Reply, HandlerError>> + Send,
{
    fn run<'a>(&'a self, message: &'a CommandMessage<'static>) -> Running<'a> {
        Box::pin(async move {
            let received = receive(message)
                .map_err(|fault| HandlerError::rejected(fault.code, fault.message))?;
            to_json(&(self.0)(received).await?)
        })
    }
}

fn failed(code: impl Into<String>, text: impl Into<String>) -> Answer {
    Answer::failed(Fault::new(code.into(), text.into()).bounded().to_json())
}

/// Answers all commands, side by side.
pub(crate) async fn answer(handlers: &dyn Handlers, jobs: &[&Job]) -> Vec<Answer> {
    let running = jobs.iter().map(|job| run(handlers, &job.message));
    let mut running: Vec<_> = running.map(|future| Some(Box::pin(future))).collect();
    let mut answers = vec![None; jobs.len()];
    std::future::poll_fn(move |context| {
        for (slot, answer) in running.iter_mut().zip(&mut answers) {
            let Some(future) = slot else { continue };
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                (*answer, *slot) = (Some(ready), None);
            }
        }
        if running.iter().any(Option::is_some) {
            return Poll::Pending;
        }
        Poll::Ready(answers.drain(..).flatten().collect())
    })
    .await
}

async fn run(handlers: &dyn Handlers, message: &CommandMessage<'static>) -> Answer {
    if message.direction == Direction::Fence {
        let text = "this participant keeps no inbox, so it cannot make a step final";
        return failed("cannot-fence", text);
    }
    let Some(handler) = handlers.outside(message) else {
        let text = format!("no handler for {}.{}", message.participant, message.command);
        return failed("unknown-command", text);
    };
    let mut running = handler.run(message);
    let result = std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    });
    let answer = |outcome, payload: String| Answer {
        outcome,
        effective: Some(message.generation),
        payload: payload.into(),
    };
    let bounded = |reply: String| too_large(&reply).map_or(Ok(reply), Err);
    match result.await.map(|result| result.and_then(bounded)) {
        Some(Ok(reply)) => answer(Outcome::Succeeded, reply),
        Some(Err(HandlerError::Rejected { code, message })) => {
            let fault = Fault::new(code, message).bounded();
            answer(Outcome::Rejected, fault.to_json())
        }
        Some(Err(HandlerError::Failed { code, message })) => failed(code, message),
        Some(Err(HandlerError::Database(error))) => {
            // The text of the database stays in this process's log.
            Answer::failed(database_fault(&error, message).to_json())
        }
        None => {
            tracing::error!(
                saga = %message.saga, step = %message.step, command = %message.command,
                "the handler panicked; the command is answered failed"
            );
            failed("handler-panicked", "the handler panicked")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Service, Settings};

    /// Sleeps, and answers how long; refuses 0, and panics over 9.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Sleep {
        millis: u64,
    }

    impl Command for Sleep {
        const PARTICIPANT: &'static str = "bed";
        const NAME: &'static str = "sleep";
        const REJECTABLE: bool = true;
        type Reply = u64;
    }

    async fn sleep(received: Received<Sleep>) -> Result<u64, HandlerError> {
        let millis = received.command.millis;
        assert!(millis <= 9, "nobody sleeps so long");
        tokio::time::sleep(Duration::from_millis(millis)).await;
        match millis {
            0 => Err(HandlerError::rejected("not-tired", "no sleep at all")),
            millis => Ok(millis),
        }
    }

    /// A handler whose own database says what must not leave the process.
    async fn fall(_: Received<Sleep>) -> Result<u64, HandlerError> {
        let text = "password of user bed is wrong".to_owned();
        Err(HandlerError::Database(sqlx::Error::Protocol(text)))
    }

    #[tokio::test]
    async fn a_failed_answer_has_no_text_of_a_database() {
        let service = Service::new("bed", Settings::without_database("nowhere"));
        let service = service.handle_outside(fall);
        let job = job(Direction::Forward, r#"{"millis":1}"#);
        let answers = answer(&service.registry, &[&job]).await;
        let payload = &answers[0].payload;
        assert_eq!(answers[0].outcome, Outcome::Failed);
        assert!(payload.contains("a statement failed"), "{payload}");
        assert!(!payload.contains("password"), "{payload}");
    }

    fn job(direction: Direction, payload: &'static str) -> Job {
        Job::sample(1, direction, 1, payload)
    }

    #[tokio::test]
    async fn each_command_gets_its_own_answer_whichever_ends_first() {
        let service = Service::new("bed", Settings::without_database("nowhere"));
        let service = service.handle_outside(sleep);
        let jobs = [
            job(Direction::Forward, r#"{"millis":9}"#),
            job(Direction::Forward, r#"{"millis":0}"#),
            job(Direction::Forward, r#"{"millis":10}"#),
            job(Direction::Forward, "[]"),
            job(Direction::Fence, "null"),
            job(Direction::Compensate, r#"{"millis":2}"#),
        ];
        let jobs: Vec<&Job> = jobs.iter().collect();
        let answers = answer(&service.registry, &jobs).await;
        let said: Vec<_> = answers
            .iter()
            .map(|answer| {
                (
                    answer.outcome,
                    answer.payload.split(',').next().unwrap_or_default(),
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                (Outcome::Succeeded, "9"),
                (Outcome::Rejected, r#"{"code":"not-tired""#),
                (Outcome::Failed, r#"{"code":"handler-panicked""#),
                (Outcome::Rejected, r#"{"code":"unreadable-payload""#),
                (Outcome::Failed, r#"{"code":"cannot-fence""#),
                (Outcome::Succeeded, "2"),
            ]
        );
    }
}
