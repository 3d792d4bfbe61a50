/** The rule of freshness, the pace of asking, and what went wrong in words. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Fault, faultOf } from "../src/api";
import { advance, delay, empty, EVERY_MS, freshness, PATIENCE_MS, Poller, type Feed } from "../src/poll";

const AWAY = Fault.from(new TypeError("fetch failed"));
const GONE = faultOf(404, null);

describe("how old an answer is", () => {
  const answered = advance(empty<string>(), { kind: "answered", data: "a", askedAt: 10_000 });

  it("nothing was heard yet", () => expect(freshness(empty(), 10_000)).toBe("loading"));

  it("an answer is fresh from the moment of its question, and not for long", () => {
    expect(freshness(answered, 10_000)).toBe("fresh");
    expect(freshness(answered, 13_500)).toBe("fresh");
    expect(freshness(answered, 13_501)).toBe("late");
  });

  it("an answer that is asked for rarely may be older", () => expect(freshness(answered, 17_000, 5000)).toBe("fresh"));

  it("after a failure the old answer stays, and is never called fresh", () => {
    const failed = advance(answered, { kind: "failed", fault: AWAY });
    expect(failed.data).toBe("a");
    expect(failed.askedAt).toBe(10_000);
    expect(freshness(failed, 10_001)).toBe("lost");
  });

  it("a definite no takes the old answer away", () => {
    const refused = advance(answered, { kind: "failed", fault: GONE });
    expect(refused.data).toBeNull();
    expect(freshness(refused, 10_001)).toBe("refused");
  });

  it("one answer ends the failure", () => {
    const failed = advance(advance(answered, { kind: "failed", fault: AWAY }), { kind: "failed", fault: AWAY });
    const back = advance(failed, { kind: "answered", data: "b", askedAt: 30_000 });
    expect(back).toEqual({ data: "b", askedAt: 30_000, fault: null, failures: 0 });
  });
});

describe("when it asks again", () => {
  const failing = (failures: number): Feed<string> => ({ ...empty<string>(), fault: AWAY, failures });

  it("later and later, but never so late that a return is missed", () => {
    expect([0, 1, 2, 3, 4, 20].map((failures) => delay(failing(failures), EVERY_MS))).toEqual([1000, 1000, 2000, 4000, 4000, 4000]);
  });

  it("never more often than without failures", () => expect(delay(failing(1), 5000)).toBe(5000));
});

describe("the poller", () => {
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => { vi.useRealTimers(); });

  it("asks one question at a time, the next an interval after the answer", async () => {
    const poller = new Poller<number>();
    let asked = 0;
    let answer: (n: number) => void = () => undefined;
    poller.watch("a", () => new Promise((resolve) => { asked += 1; answer = resolve; }));
    poller.now();
    await vi.advanceTimersByTimeAsync(3000);
    expect(asked).toBe(1);
    answer(1);
    await vi.advanceTimersByTimeAsync(EVERY_MS - 1);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toBe(2);
    poller.stop();
  });

  it("drops an answer that comes after the question changed", async () => {
    const poller = new Poller<string>();
    let answerOld: (text: string) => void = () => undefined;
    poller.watch("old", () => new Promise((resolve) => { answerOld = resolve; }));
    poller.watch("new", () => Promise.resolve("new"));
    await vi.advanceTimersByTimeAsync(0);
    answerOld("old");
    await vi.advanceTimersByTimeAsync(0);
    expect(poller.feed.value.data).toBe("new");
    poller.stop();
  });

  it("shows nothing of the old question while the new one is under way", () => {
    const poller = new Poller<string>();
    poller.feed.value = { data: "old", askedAt: 1, fault: null, failures: 0 };
    poller.watch("new", () => new Promise(() => undefined));
    expect(poller.feed.value).toEqual(empty());
    poller.stop();
  });

  it("gives up a question without an answer and asks again", async () => {
    const poller = new Poller<string>();
    let asked = 0;
    poller.watch("a", (abort) => new Promise((_, reject) => {
      asked += 1;
      abort.addEventListener("abort", () => reject(abort.reason));
    }));
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(poller.feed.value.fault?.kind).toBe("slow");
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(2);
    poller.stop();
  });

  it("asks nothing while it is paused, and at once when it goes on", async () => {
    const poller = new Poller<string>();
    let asked = 0;
    const ask = () => { asked += 1; return Promise.resolve("a"); };
    poller.watch("a", ask);
    await vi.advanceTimersByTimeAsync(0);
    poller.pause();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(1);
    poller.resume();
    expect(asked).toBe(2);
    poller.stop();
  });

  it("takes its pace from the answer", async () => {
    const poller = new Poller<string>();
    let asked = 0;
    poller.watch("a", () => { asked += 1; return Promise.resolve("ended"); }, () => 5000);
    await vi.advanceTimersByTimeAsync(4999);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toBe(2);
    expect(poller.everyMs).toBe(5000);
    poller.stop();
  });
});

describe("what went wrong", () => {
  it("a server that answers with a problem is quoted", () => {
    const fault = faultOf(503, { type: "/problems/unavailable", title: "Not ready", status: 503, detail: "Kafka is away." });
    expect(fault.headline).toBe("Kafka is away.");
    expect(fault.isDefinite).toBe(false);
  });

  it.each([[400, true], [401, true], [404, true], [429, false], [500, false], [503, false]])("%d is definite: %s", (status, isDefinite) => {
    const fault = faultOf(status, null);
    expect(fault.isDefinite).toBe(isDefinite);
    expect(fault.headline).not.toBe("");
    expect(fault.advice).not.toBe("");
  });
});
