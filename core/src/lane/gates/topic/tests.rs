use super::*;

const START: Timestamp = Timestamp::from_micros(1_000_000_000);

fn after(millis: u64) -> Timestamp {
    START + Duration::from_millis(millis)
}

fn saga(number: u128) -> SagaId {
    SagaId(Uuid::from_u128(number))
}

fn of_bytes(bytes: usize) -> Publication {
    Publication {
        bytes,
        ..Publication::default()
    }
}

#[test]
fn a_topic_that_is_silent_for_a_second_closes_and_its_answer_opens_it() {
    let mut topic = Topic::new(Some("oracle"), 4);
    topic.begin(1, of_bytes(1), START);
    assert!(topic.look(after(999)).is_none() && topic.lets_through());
    let note = topic.look(after(1_000));
    let why = Closing::Silent;
    assert!(
        matches!(note, Some(Note::TopicClosed { owed: 1, why: is, .. }) if is == why),
        "{note:?}"
    );
    assert!(topic.look(after(60_000)).is_none(), "it is told once");
    assert!(!topic.lets_through(), "no trial, while an answer is owed");
    topic.remember(saga(1), true);
    assert_eq!(topic.release(after(60_000), |_| true), None);
    assert!(topic.end(1, true, after(60_000)).is_some() && topic.end(1, true, START).is_none());
    let note = topic.succeed(after(60_000));
    assert!(
        matches!(note, Some(Note::TopicOpened { withheld: 1, .. })),
        "{note:?}"
    );
    assert_eq!(topic.release(after(60_000), |_| true), Some(saga(1)));
}

#[test]
fn a_topic_that_owes_too_much_closes_at_once_and_opens_when_it_owes_half() {
    let mut topic = Topic::new(None, 4);
    (1..=4).for_each(|number| topic.begin(number, of_bytes(1), START));
    assert!(topic.look(START).is_some() && !topic.lets_through());
    topic.end(1, true, START);
    assert!(topic.succeed(START).is_none(), "it owes more than half");
    topic.end(2, true, START);
    assert!(topic.succeed(START).is_none(), "it owes half");
    topic.end(3, true, START);
    assert!(topic.succeed(START).is_some() && topic.lets_through());
    topic.begin(5, of_bytes(OWED_BYTES_MAX), START);
    assert!(topic.look(START).is_some(), "in bytes");
}

#[test]
fn after_a_failure_one_saga_at_a_time_is_tried_more_and_more_rarely() {
    let mut topic = Topic::new(Some("oracle"), 4);
    (1..=3).for_each(|number| topic.remember(saga(number), true));
    topic.begin(1, of_bytes(1), START);
    topic.end(1, true, START);
    assert!(topic.fail(START).is_some() && !topic.lets_through());
    let mut now = START;
    let mut tried = Vec::new();
    for (number, wait) in (2..).zip([1, 2, 4, 8, 16, 32, 32]) {
        let trial_at = now + Duration::from_secs(wait);
        assert_eq!(topic.resume_at(), Some(trial_at));
        assert!(topic.look(trial_at).is_none() && topic.lets_through());
        tried.extend(topic.release(trial_at, |_| true));
        assert_eq!(topic.release(trial_at, |_| true), None, "one a second");
        assert_eq!(topic.resume_at(), Some(trial_at + TRIAL_AFTER));
        topic.begin(number, of_bytes(1), trial_at);
        assert!(!topic.lets_through(), "the trial is under way");
        topic.end(number, false, trial_at);
        assert!(topic.fail(trial_at).is_none(), "it is closed already");
        tried
            .last()
            .into_iter()
            .for_each(|saga| topic.remember(*saga, true));
        now = trial_at;
    }
    assert_eq!(tried, [1, 2, 3, 1, 2, 3, 1].map(saga));
}

#[test]
fn a_trial_whose_saga_has_nothing_to_send_is_followed_by_another() {
    let mut topic = Topic::new(Some("oracle"), 4);
    (1..=2).for_each(|number| topic.remember(saga(number), true));
    let _ = topic.fail(START);
    assert!(topic.look(after(1_000)).is_none());
    assert_eq!(topic.release(after(1_000), |_| true), Some(saga(1)));
    assert_eq!(topic.release(after(1_999), |_| true), None);
    assert_eq!(topic.release(after(2_000), |_| true), Some(saga(2)));
    assert_eq!(topic.resume_at(), None, "nobody waits");
}
