/** What times, ids, reasons and the window title read like. */
import { describe, expect, it } from "vitest";
import type { Summary } from "../src/contract";
import { absolute, ago, bytes, clock, compact, count, duration, idIn, offset, plural, reasonSentence, shortId, title } from "../src/format";

const AT = "2026-11-23T13:10:36.123Z";
const NOW = Date.parse(AT);
const ID = "019ab0e1-52c0-7a11-8d21-3f6a90b1c001";

describe("durations", () => {
  it.each([
    [0, "0 ms"], [-5, "0 ms"], [999, "999 ms"], [1000, "1.00 s"], [1240, "1.24 s"], [9994, "9.99 s"], [9995, "10 s"],
    [59_400, "59 s"], [59_600, "1 min 00 s"], [252_000, "4 min 12 s"], [3_600_000, "1 h 00 min"],
    [3 * 3_600_000 + 5 * 60_000, "3 h 05 min"], [52 * 3_600_000, "2 d 4 h"], [Number.NaN, "–"],
  ])("%d ms read %s", (ms, text) => expect(duration(ms)).toBe(text));
});

describe("times", () => {
  it.each([
    [-2000, "now"], [400, "now"], [1000, "1 s ago"], [59_999, "59 s ago"], [60_000, "1 min ago"],
    [3_600_000, "1 h ago"], [47 * 3_600_000, "47 h ago"], [48 * 3_600_000, "2 d ago"],
  ])("%d ms later it was %s", (later, text) => expect(ago(AT, NOW + later)).toBe(text));

  it("absolute times name their zone", () => {
    expect(absolute(AT)).toBe("2026-11-23 13:10:36.123 UTC");
    expect(clock(NOW)).toBe("13:10:36");
    expect(clock(NOW, true)).toBe("13:10:36.123");
  });

  it("an instant that is none is shown as it came", () => expect(absolute("soon")).toBe("soon"));

  it("offsets are exact at first and rough later", () => {
    expect(offset("2026-11-23T13:10:36.165Z", AT)).toBe("+0.042 s");
    expect(offset("2026-11-23T13:14:48.123Z", AT)).toBe("+4 min 12 s");
  });
});

describe("ids", () => {
  it("two sagas of the same minute have different short ids", () => {
    expect(shortId(ID)).toBe("…90b1c001");
    expect(shortId(ID)).not.toBe(shortId("019ab0e1-52c0-7a11-8d21-3f6a90b1c002"));
  });

  it("an id is found in whatever was pasted", () => {
    expect(idIn(`  ${ID.toUpperCase()}\n`)).toBe(ID);
    expect(idIn(`INFO saga=${ID} revision=2 (${ID})`)).toBe(ID);
    expect(idIn(`https://host/#/sagas/${ID}?step=a`)).toBe(ID);
  });

  it("no id, part of an id and two ids are not guessed at", () => {
    expect(idIn("")).toBeNull();
    expect(idIn("019ab0e1")).toBeNull();
    expect(idIn(`${ID} 019ab0e1-52c0-7a11-8d21-3f6a90b1c002`)).toBeNull();
  });
});

describe("reasons", () => {
  it("a rejection names code, step and message", () => {
    expect(reasonSentence({ kind: "rejected", step: "authorize-payment", code: "card-declined", message: "over the limit" }))
      .toBe("card-declined at authorize-payment: over the limit");
  });

  it("a cancellation names who asked", () => {
    expect(reasonSentence({ kind: "cancelled", step: null, code: "cancelled", message: "ordered twice", actor: "on-call" }))
      .toBe("cancelled by on-call: ordered twice");
    expect(reasonSentence({ kind: "cancelled", step: null, code: "cancelled", message: "" })).toBe("cancelled");
  });
});

describe("numbers", () => {
  it("are grouped, and counted in words", () => {
    expect(count(1204434)).toBe("1\u202f204\u202f434");
    expect(count(999)).toBe("999");
    expect(compact(999_999)).toBe("999\u202f999");
    expect(compact(1_204_434)).toBe("1.204\u202fM");
    expect(plural(1, "replica")).toBe("1 replica");
    expect(plural(0, "replica")).toBe("0 replicas");
    expect(bytes(999)).toBe("999 B");
    expect(bytes(8123)).toBe("8.1 kB");
  });
});

describe("the window title", () => {
  const summary = (states: Partial<Summary["states"]>, attention = 0): Summary => ({
    states: { running: 0, compensating: 0, completed: 9, compensated: 0, stuck: 0, ...states },
    attention, missing: [], dead_letters: 0, dead_letters_left_out: 0, definitions: [], replicas: [], now: AT,
  });

  it("says first what needs a person", () => {
    expect(title(summary({ stuck: 3, running: 5 }, 4), false, null)).toBe("3 stuck · sagas");
    expect(title(summary({ running: 5 }, 4), false, null)).toBe("4 need attention · sagas");
    expect(title(summary({ running: 5, compensating: 1 }), false, null)).toBe("6 running · sagas");
    expect(title(summary({}), false, "dead letters")).toBe("dead letters · sagas");
  });

  it("gives no count that is old", () => {
    expect(title(summary({ stuck: 3 }), true, null)).toBe("not reached · sagas");
    expect(title(null, false, null)).toBe("sagas");
  });
});
