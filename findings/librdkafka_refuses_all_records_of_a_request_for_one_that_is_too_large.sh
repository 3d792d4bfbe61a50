#!/usr/bin/env bash
# librdkafka: one record that its topic finds too large costs every record of the same request its place.
#
# Version   librdkafka 2.12.1 (PyPI `confluent-kafka` 2.12.1) with Apache Kafka 4.4.0 (Maven `org.apache.kafka:kafka_2.13`).
# Source    https://kafka.apache.org/protocol#The_Messages_Produce: an error stands for a partition of a request;
#           `record_errors` names single records. https://kafka.apache.org/documentation/#topicconfigs_max.message.bytes:
#           "The largest record batch size allowed". rd_kafka_handle_Produce_error (src/rdkafka_request.c) gives up
#           on MSG_SIZE_TOO_LARGE for the whole batch; the Java producer splits the batch and sends it again.
# Expected  Of 60 records that are produced together, 59 are small: those arrive, and the one of 200 kB is refused.
# Happens   All 60 delivery reports say MSG_SIZE_TOO_LARGE, and nothing arrives. Sent alone, each small record does.
# Why here  A report says nothing about its record. Believed, one large payload would fail the commands of other
#           sagas for good. So what is refused in company is sent again in a request of its own, and only that
#           answer is about the record.
set -euo pipefail

folder=$(mktemp -d)
broker=
finish() {
  [ -z "$broker" ] || { kill "$broker" 2>/dev/null; wait "$broker" 2>/dev/null; } || true
  rm -rf "$folder"
}
trap finish EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'confluent-kafka==2.12.1'
cat > "$folder/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.4.0</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder/libs" >/dev/null

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free) controller=$(free)
cat > "$folder/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
log.dirs=$folder/segments
PROPERTIES
kafka() { java -Xmx512m -XX:-UsePerfData -cp "$folder/libs/*" "$@"; }
kafka kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c "$folder/server.properties" >/dev/null 2>&1
java -Xmx512m -XX:-UsePerfData -cp "$folder/libs/*" kafka.Kafka "$folder/server.properties" >"$folder/log" 2>&1 &
broker=$!

cat > "$folder/produce.py" <<'PYTHON'
import collections, sys, time
import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

client = {"bootstrap.servers": sys.argv[1], "log_level": 0}
admin = AdminClient(client)
deadline = time.time() + 60
while True:
    try:
        topic = NewTopic("small", 1, 1, config={"max.message.bytes": "100000"})
        admin.create_topics([topic])["small"].result(10)
        break
    except ck.KafkaException:
        assert time.time() < deadline, "the broker does not answer"


def produce(sizes, **config):
    reports = collections.Counter()

    def delivered(error, message):
        reports[(message.value() is not None and len(message) > 1000, error.name() if error else "arrived")] += 1

    producer = ck.Producer({**client, "enable.idempotence": True, "linger.ms": 200, "message.max.bytes": 8388608, **config})
    for size in sizes:
        producer.produce("small", b"x" * size, on_delivery=delivered)
    producer.flush(30)
    words = (f"{count} {'large' if large else 'small'} {what}" for (large, what), count in sorted(reports.items()))
    return ", ".join(words)


print("librdkafka     ", ck.libversion()[0])
sizes = [100] * 30 + [200_000] + [100] * 29
print("together       ", produce(sizes))
print("one a request  ", produce(sizes, **{"batch.num.messages": 1}))
PYTHON
seen=$("$folder/venv/bin/python" "$folder/produce.py" "127.0.0.1:$port")
echo "$seen"

expected="librdkafka      2.12.1
together        59 small MSG_SIZE_TOO_LARGE, 1 large MSG_SIZE_TOO_LARGE
one a request   59 small arrived, 1 large MSG_SIZE_TOO_LARGE"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; echo "$expected"; exit 1; }
