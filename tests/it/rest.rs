//! REST, as clients meet it: what they may send wrong, and what they can rely on.
//!
//! Here: how the tests of `rest/` ask, and how they look at an answer.

mod archived;
mod bounds;
mod cancel;
mod keys;
mod orders;
mod reading;
mod refused;
mod waiting;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use shop::place_order::PlaceOrder;
use shop::workload::{Fate, Workload};
use uuid::Uuid;

use crate::world::World;

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that is not a failure.
    #[track_caller]
    fn json(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// The body of a failure: complete problem details of this type.
    #[track_caller]
    fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let media = self.header("content-type");
        assert_eq!(media, "application/problem+json", "{self:?}");
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for text in ["title", "detail"] {
            let text = problem[text].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{problem}");
        }
        problem
    }

    #[track_caller]
    fn id(&self) -> Uuid {
        self.json()["id"].as_str().unwrap().parse().unwrap()
    }
}

async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        text: answer.text().await.unwrap(),
    }
}

impl World {
    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url()))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url()))
    }

    /// A submission with a body as it is.
    fn post_text(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.post("/v1/sagas");
        request
            .header("content-type", "application/json")
            .body(body)
    }

    /// How many sagas there are, counted by reading all pages of the list.
    async fn sagas(&self) -> usize {
        let mut count = 0;
        let mut next = String::new();
        loop {
            let page = send(self.get(&format!("/v1/sagas?limit=200{next}"))).await;
            let page = page.json();
            count += page["sagas"].as_array().unwrap().len();
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => return count,
            }
        }
    }
}

fn submission(order: &PlaceOrder) -> Value {
    json!({ "saga": "place-order", "input": order })
}

/// Some order with this fate.
fn order(seed: u64, fate: Fate) -> PlaceOrder {
    let percent = if fate == Fate::Confirmed { 0 } else { 100 };
    let mut planned = Workload::new(seed, percent);
    planned.find(|planned| planned.fate == fate).unwrap().order
}
