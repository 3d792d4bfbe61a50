"""The shop's payments service in Python, written from docs/wire.md alone.

Row and effect commit together, then the reply leaves, then the offset is
committed: a kill repeats work and loses none. The shop's tables are there."""
import argparse
import datetime as dt
import json
import logging
import os
import re
import signal
import threading
from uuid import UUID, uuid5

import psycopg
from confluent_kafka import Consumer, KafkaException, Producer, admin

NAME, NUMBER = "[a-z0-9][a-z0-9-]{0,63}", r"0|[1-9]\d{0,9}"
ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
INSTANT = r"\d{4}(-\d\d){2}[Tt]\d\d(:\d\d){2}(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
ECHOED = {"content-type": "application/json", "ce_specversion": r"1\.0",
          "ce_wire": "1", "ce_subject": ID, "ce_step": NAME,
          "ce_direction": "forward|compensate|fence", "ce_generation": NUMBER,
          "ce_attempt": NUMBER, "ce_revision": r"0|[1-9]\d{0,19}",
          "traceparent": "(?s:.*)"}
FORMS = ECHOED | {
    "ce_id": ID, "ce_type": rf"{NAME}\.{NAME}", "ce_source": f"/sagas/{NAME}",
    "ce_time": INSTANT, "ce_fences": "(compensate)?", "ce_started": INSTANT,
    "ce_deadline": f"({INSTANT})?", "ce_replypartition": NUMBER,
    "ce_replytopic": r"[\w.-]{1,249}"}
HANDLERS = {  # A command's numbers, its statement, the refusal if no row fits.
    "payments.authorize-payment": (("customer", "cents"), """
    WITH payer AS (UPDATE customer SET used_cents = used_cents + %(cents)s
    WHERE id = %(customer)s AND credit_cents - used_cents >= %(cents)s
    RETURNING *) INSERT INTO payment SELECT %(order)s, id, %(cents)s FROM payer
    """, ("card-declined", "no card, or not that much credit left")),
    "payments.capture-payment": ((), """
    UPDATE payment SET state = 'captured' FROM customer WHERE id = customer
    AND order_id = %(order)s AND state = 'authorized' AND
    cents <= settled_cents_max""", ("capture-declined", "the bank declines")),
    "payments.void-payment": ((), """
    WITH voided AS (UPDATE payment SET state = 'voided' WHERE order_id =
    %(order)s AND state = 'authorized' RETURNING *) UPDATE customer SET
    used_cents = used_cents - cents FROM voided WHERE id = customer""", None)}
KEY = "(start_day, saga, step) = (%s, %s, %s)"
NONE, NULL = (None, None), (None, "null")  # No answer stored; none to store.


def read(message):
    """The command in a record; ValueError where it is unreadable."""
    found = [one for one in message.headers() or () if one[0] in FORMS]
    command = {name: value.decode() for name, value in found if value}
    for name, form in FORMS.items():
        value = command.get(name, "")
        if (not re.fullmatch(form, value, re.ASCII)
                or form == NUMBER and int(value) >> 32):
            raise ValueError(f"{name} is {value!r}")
    kind, saga = command["ce_direction"], command["ce_subject"]
    name = f"{command['ce_step']}/{kind}/{command['ce_generation']}"
    if (command["ce_id"] != str(uuid5(UUID(saga), name)) or not message.value()
            or message.key() != saga.encode() or len(command) < len(found)
            or "ce_fences" in command and kind != "fence"):
        raise ValueError("ce_id, key, payload, a repeated or an empty header")
    day = dt.datetime.fromisoformat(command["ce_started"].upper())
    key = day.astimezone(dt.UTC).date(), saga, command["ce_step"]
    return command | {"key": key, "kind": kind + command.get("ce_fences", "")}


def decide(row, kind, generation, run):
    """The barrier's table: the row from now on, outcome, (effective, JSON)."""
    state, answer, undo = row
    forward, undoing = kind == "forward", kind == "compensate"
    if forward and state in "taken refused" or undoing and state == "done":
        stored = answer if forward else undo
        if stored != NONE and stored[0] >= generation:
            return row, "rejected", stored
        outcome, reply = run()
        well, new = outcome == "succeeded", (generation, json.dumps(reply))
        if forward:
            return ("done" if well else "refused", new, NONE), outcome, new
        return ("undone" if well else "done", answer, new), outcome, new
    if state == "done" and kind != "fencecompensate":
        return row, "succeeded", answer
    if state == "undone" and undo != NONE and kind.endswith("compensate"):
        return row, "succeeded", undo
    if state == "undone" and (forward or undoing and answer != NONE):
        return row, "already-compensated", NULL
    undo = (generation, "null") if undoing else NONE
    if state != "undone":
        row = "undone", answer if state == "done" else NONE, undo
    return row, *(("succeeded", undo) if undoing else ("fenced", NULL))


def run(db, name, payload):
    if name not in HANDLERS:
        return "failed", {"code": "unknown-command", "message": name}
    numbers, statement, refusal = HANDLERS[name]
    try:
        sent = json.loads(payload.decode())
        sent["order"] = UUID(sent["order"])
        if any(type(sent[n]) is not int or sent[n] >> 32 for n in numbers):
            raise ValueError("not a u32")
    except Exception as bad:
        return "rejected", {"code": "unreadable-payload", "message": repr(bad)}
    try:
        with db.transaction():
            if db.execute(statement, sent).rowcount or not refusal:
                return "succeeded", None
            raise psycopg.Rollback
    except psycopg.Error as error:
        if db.closed or str(error.sqlstate).startswith(("08", "40", "57P")):
            raise
        return "failed", {"code": "database", "message": str(error)}
    return "rejected", dict(zip(("code", "message"), refusal))


def apply(db, command, payload):
    """One transaction: whether it wrote, outcome, (effective, JSON)."""
    key = command["key"]
    with db.transaction():
        db.execute("INSERT INTO saga_inbox VALUES (%s, %s, %s, 'taken')"
                   " ON CONFLICT DO NOTHING", key)
        row = db.execute("SELECT * FROM saga_inbox, saga_inbox_watermark WHERE"
                         f" {KEY} FOR UPDATE OF saga_inbox", key).fetchone()
        if row is None:  # A purge ran in between: begin again.
            raise psycopg.errors.SerializationFailure
        before, row = row[-1], (row[3], row[4:6], row[6:8])
        after, outcome, answer = row, "expired", NULL
        if row[0] != "taken" or key[0] >= before:
            after, outcome, answer = decide(
                row, command["kind"], int(command["ce_generation"]),
                lambda: run(db, command["ce_type"], payload))
        if after == row or outcome == "failed":
            raise psycopg.Rollback
        db.execute("UPDATE saga_inbox SET (state, generation, answer,"
                   " undo_generation, undo_answer) = (%s, %s, %s, %s, %s)"
                   f" WHERE {KEY}", [after[0], *after[1], *after[2], *key])
        return True, outcome, answer
    return False, outcome, answer


parser = argparse.ArgumentParser(description=__doc__)
for flag in "brokers", "prefix", "database-url", "group":
    parser.add_argument("--" + flag, required=True)
parser.add_argument("--crash-after-commits", type=int)
options = parser.parse_args()
stop, servers = threading.Event(), {"bootstrap.servers": options.brokers}
signal.signal(signal.SIGTERM, lambda *_: stop.set())
topic, unsent = f"{options.prefix}.payments.commands", []
client = admin.AdminClient(servers)
client.create_topics([admin.NewTopic(topic, 8)])[topic].exception()  # Exists?
producer = Producer(servers | {
    "enable.idempotence": True, "linger.ms": 0, "message.timeout.ms": 0})
consumer = Consumer(servers | {
    "group.id": options.group, "partition.assignment.strategy":
    "cooperative-sticky", "enable.auto.commit": False, "check.crcs": True,
    "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 5,
    "session.timeout.ms": 6000, "topic.metadata.refresh.interval.ms": 1000})
consumer.subscribe([topic])
db, command, message, wait, commits, unreadable = None, None, None, 0, 0, 0
while not stop.wait(wait):
    message = message if command else consumer.poll(0.2)
    if message is None or message.error():
        continue
    try:
        command = command or read(message)
        if db is None or db.closed:
            db = psycopg.connect(options.database_url, autocommit=True)
            db.execute(open(__file__.removesuffix("py") + "sql").read())
        wrote, outcome, answer = apply(db, command, message.value())
        if wrote and (commits := commits + 1) == options.crash_after_commits:
            os._exit(70)
        headers = {n: command[n] for n in ECHOED if n in command} | {
            "ce_id": str(uuid5(UUID(command["ce_id"]), "reply")),
            "ce_type": command["ce_type"] + ".reply", "ce_outcome": outcome,
            "ce_source": "/participants/payments", "ce_time":
            f"{dt.datetime.now(dt.UTC):%FT%T.%f}"[:23] + "Z",
            "ce_commandid": command["ce_id"]}
        if outcome in ("succeeded", "rejected"):
            headers["ce_effective"] = str(answer[0])
        producer.produce(
            command["ce_replytopic"], answer[1], command["ce_subject"],
            int(command["ce_replypartition"]), headers=headers,
            on_delivery=lambda error, _: error and unsent.append(error))
        while producer.flush(1) and not stop.is_set():
            pass
        if unsent:
            raise KafkaException(unsent.pop())
    except (ValueError, OverflowError) as error:
        unreadable += 1
        logging.error("unreadable: %s/%s/%s: %s, %s so far", topic,
                      message.partition(), message.offset(), error, unreadable)
    except (psycopg.Error, KafkaException) as error:
        logging.warning("command %s: %s", command["ce_id"], error)
        wait = min(2 * wait + 0.05, 5)
        continue
    if not len(producer):
        consumer.commit(message)
    command, wait = None, 0
consumer.close()
