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
from base64 import b64decode
from uuid import UUID, uuid5

import psycopg
from confluent_kafka import Consumer, KafkaException, Producer, admin

NAME = "[a-z0-9][a-z0-9-]{0,63}"
ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
INSTANT = r"\d{4}(-\d\d){2}[Tt]\d\d(:\d\d){2}(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
ECHOED = {"specversion": r"1\.0", "wire": "3", "subject": ID, "step": NAME,
          "direction": "forward|compensate|fence", "generation": 31,
          "attempt": 31, "revision": 31, "traceparent": "(?s:.*)"}
FORMS = ECHOED | {  # A text's form, a number's bits.
    "id": ID, "type": rf"{NAME}\.{NAME}", "source": f"/sagas/{NAME}",
    "time": INSTANT, "fences": "compensate", "started": INSTANT,
    "deadline": INSTANT, "replypartition": 31, "replytopic": r"[\w.-]{1,249}"}
OPTIONAL = "traceparent", "fences", "deadline"
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


def has_form(value, form):
    if isinstance(form, int):
        return type(value) is int and value >> form == 0
    return type(value) is str and re.fullmatch(form, value, re.ASCII)


def read(message):
    """The command in a record; ValueError where it is unreadable."""
    sent = json.loads(  # NaN is no int.
        (message.value() or b"").decode(), parse_constant=int)
    if type(sent) is not dict:
        raise ValueError("no object")
    command = {n: sent[n] for n in FORMS if sent.get(n) is not None}
    for name, form in FORMS.items():
        if not (name in OPTIONAL and name not in command
                or has_form(command.get(name), form)):
            raise ValueError(f"{name} is {command.get(name)!r}")
    kind, saga = command["direction"], command["subject"]
    name = f"{command['step']}/{kind}/{command['generation']}"
    if (command["id"] != str(uuid5(UUID(saga), name))
            or message.key() != saga.encode()
            or "fences" in command and kind != "fence"):
        raise ValueError("id, key or fences")
    data, text = sent.get("data"), sent.get("data_base64")
    if text is not None:
        if "data" in sent or not has_form(text, "[A-Za-z0-9+/=]+"):
            raise ValueError("data_base64")
        data = json.loads(b64decode(text).decode(), parse_constant=int)
    day = dt.datetime.fromisoformat(command["started"].upper())
    key = day.astimezone(dt.UTC).date(), saga, command["step"]
    return command | {"key": key, "kind": kind + command.get("fences", ""),
                      "data": data}


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


def run(db, name, data):
    if name not in HANDLERS:
        return "failed", {"code": "unknown-command", "message": name}
    numbers, statement, refusal = HANDLERS[name]
    try:
        sent = data | {"order": UUID(data["order"])}
        for n in numbers:  # 1.0 is an integer.
            if type(sent[n]) is float and sent[n].is_integer():
                sent[n] = int(sent[n])
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


def apply(db, command):
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
                row, command["kind"], command["generation"],
                lambda: run(db, command["type"], command["data"]))
        if outcome == "failed":  # It says nothing of what is stored.
            raise psycopg.Rollback
        if after[0] == "taken":
            db.execute(f"DELETE FROM saga_inbox WHERE {KEY}", key)
        elif after != row:
            db.execute("UPDATE saga_inbox SET (state, generation, answer,"
                       " undo_generation, undo_answer) = (%s, %s, %s, %s, %s)"
                       f" WHERE {KEY}", [after[0], *after[1], *after[2], *key])
        # A stored answer commits, too: the lock wrote, so this waits for
        # the standby, which may not have the row yet.
        return after != row, outcome, answer
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
        wrote, outcome, answer = apply(db, command)
        if wrote and (commits := commits + 1) == options.crash_after_commits:
            os._exit(70)
        reply = {n: command[n] for n in ECHOED if n in command} | {
            "id": str(uuid5(UUID(command["id"]), "reply")),
            "type": command["type"] + ".reply", "outcome": outcome,
            "source": "/participants/payments", "time":
            f"{dt.datetime.now(dt.UTC):%FT%T.%f}"[:23] + "Z",
            "commandid": command["id"]}
        if outcome in ("succeeded", "rejected"):
            reply["effective"] = answer[0]
        # The stored text as it is; what says nothing is left out.
        data = "" if answer[1] == "null" else f', "data": {answer[1]}'
        producer.produce(
            command["replytopic"], f"{json.dumps(reply)[:-1]}{data}}}",
            command["subject"], command["replypartition"],
            headers={"content-type": "application/cloudevents+json"},
            on_delivery=lambda error, _: error and unsent.append(error))
        while producer.flush(1) and not stop.is_set():
            pass
        if unsent:
            raise KafkaException(unsent.pop())
    except (ValueError, OverflowError, RecursionError) as error:
        unreadable += 1
        logging.error("unreadable: %s/%s/%s: %s, %s so far", topic,
                      message.partition(), message.offset(), error, unreadable)
    except (psycopg.Error, KafkaException) as error:
        logging.warning("command %s: %s", command["id"], error)
        wait = min(2 * wait + 0.05, 5)
        continue
    if not len(producer):
        consumer.commit(message)
    command, wait = None, 0
consumer.close()
