//! A reply topic that is gone: the partition goes on, and the stored answer goes out when it is asked for.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::Outcome;
use sagas::wire::topics;

use crate::servers::unique;
use crate::service::{PARTICIPANT, Wish, service};
use crate::world::{Sent, World, client, eventually};

impl World {
    /// The offset from which the service's group goes on, in partition 0 of its commands.
    fn committed(&self) -> i64 {
        let group = topics::group(&self.prefix, PARTICIPANT);
        let consumer: BaseConsumer = client(&self.brokers)
            .set("group.id", group)
            .create()
            .unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&topics::commands(&self.prefix, PARTICIPANT), 0);
        let answer = consumer.committed_offsets(asked, Duration::from_secs(5));
        let offset = answer.unwrap().elements()[0].offset();
        offset.to_raw().unwrap().max(0)
    }

    /// A command that wants its reply in this topic.
    fn answered_in(&self, key: &str, topic: &str) -> Sent {
        let mut command = self.count(key, Wish::Succeed);
        command.reply_to.topic = topic.to_owned().into();
        command.reply_to.partition = 0;
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_topic_that_is_gone_holds_up_no_partition_and_the_row_answers_later() {
    let mut world = World::new().await;
    let admin: AdminClient<DefaultClientContext> = client(&world.brokers).create().unwrap();
    let (deleted, never) = (unique("deleted"), unique("never"));
    let new = NewTopic::new(&deleted, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&new], &AdminOptions::new()).await;
    made.unwrap().remove(0).unwrap();
    // Not the half minute that is usual.
    let patience = ("topic.metadata.propagation.max.ms", "3000");
    let mut settings = world.settings();
    settings
        .kafka
        .push((patience.0.to_owned(), patience.1.to_owned()));
    let running = service(settings).start().await.unwrap();
    world.send_to(0, &world.answered_in("before", &deleted));
    world.flush();
    eventually("it is answered", || async { world.committed() == 1 }).await;

    let options = AdminOptions::new();
    let gone = admin.delete_topics(&[&deleted], &options).await;
    gone.unwrap().remove(0).unwrap();
    world.send_to(0, &world.answered_in("after", &deleted));
    world.send_to(0, &world.answered_in("lost", &never));
    world.flush();
    eventually("the partition goes on", || async { world.committed() == 3 }).await;

    let replies = topics::replies(&world.prefix);
    for key in ["after", "lost"] {
        assert_eq!(world.effects(key).await, (1, 0), "{key}");
        let mut again = world.answered_in(key, &replies);
        again.reply_to.partition = 1;
        again.attempt = 2;
        assert_eq!(world.ask(&again).outcome, Outcome::Succeeded, "{key}");
        assert_eq!(world.effects(key).await, (1, 0), "{key}");
    }
    running.stop().await.unwrap();
}
