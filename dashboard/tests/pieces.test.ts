/** The small pure rules: holding the list, JSON, the first curl, what is shown first. */
import { describe, expect, it } from "vitest";
import { changed, released, unseen } from "../src/hold";
import { entryLook, window } from "../src/history";
import { COLLAPSED_ABOVE, CUT_ABOVE, keepWritten, print } from "../src/json";
import { firstCurl, sample } from "../src/sample";
import { mostTelling } from "../src/telling";
import type { HistoryEntry, Step, StepState } from "../src/contract";

describe("holding the list", () => {
  it("keeps what was shown when it began, until the last cause is gone", () => {
    let hold = changed(released<string>(), "pointer", true, "first");
    hold = changed(hold, "button", true, "second");
    expect(hold.kept).toBe("first");
    hold = changed(hold, "pointer", false, "third");
    expect(hold.kept).toBe("first");
    hold = changed(hold, "button", false, "third");
    expect(hold.kept).toBeNull();
  });

  it("what does not change anything is the same hold", () => {
    const hold = released<string>();
    expect(changed(hold, "focus", false, "x")).toBe(hold);
  });

  it("counts what is newer", () => {
    expect(unseen([{ id: "b" }, { id: "a" }], [{ id: "c" }, { id: "b" }])).toBe(1);
  });
});

describe("printing JSON", () => {
  it("large values start collapsed, very large ones are cut", () => {
    expect(print({ a: 1 })).toMatchObject({ text: '{\n  "a": 1\n}', collapsed: false, cut: 0 });
    expect(print("x".repeat(COLLAPSED_ABOVE)).collapsed).toBe(false);
    expect(print("x".repeat(COLLAPSED_ABOVE + 1)).collapsed).toBe(true);
    const huge = print("x".repeat(CUT_ABOVE + 5));
    expect([huge.shown.length, huge.cut, huge.text.length]).toEqual([CUT_ABOVE, 5, CUT_ABOVE + 5]);
  });

  it("keeps a number as it was written where JavaScript would change it", () => {
    const raw = (text: string) => ({ raw: text });
    expect(keepWritten(9007199254740992, "9007199254740993", raw)).toEqual({ raw: "9007199254740993" });
    expect(keepWritten(1.5, "1.50", raw)).toEqual({ raw: "1.50" });
    expect(keepWritten(42, "42", raw)).toBe(42);
    expect(keepWritten("42.0", undefined, raw)).toBe("42.0");
    expect(keepWritten(1.5, "1.50", undefined)).toBe(1.5);
  });
});

describe("an example input", () => {
  const SCHEMA = {
    type: "object",
    required: ["order_id", "lines", "tier", "limit"],
    properties: {
      order_id: { type: "string", format: "uuid" },
      lines: { type: "array", minItems: 1, items: { $ref: "#/$defs/Line" } },
      tier: { anyOf: [{ type: "null" }, { enum: ["gold", "silver"] }] },
      limit: { type: "integer", exclusiveMinimum: 9 },
      note: { type: ["string", "null"] },
    },
    $defs: {
      Line: { type: "object", required: ["sku", "quantity"], properties: { sku: { type: "string" }, quantity: { type: "integer", minimum: 2 } } },
      Tree: { type: "object", required: ["child"], properties: { child: { $ref: "#/$defs/Tree" } } },
    },
  };

  it("has what is required and nothing else", () => {
    expect(sample(SCHEMA)).toEqual({
      order_id: "00000000-0000-4000-8000-000000000001",
      lines: [{ sku: "example", quantity: 2 }],
      tier: "gold",
      limit: 10,
    });
  });

  it("a type that contains itself ends", () => {
    expect(JSON.stringify(sample({ $ref: "#/$defs/Tree" }, SCHEMA))).toContain("null");
  });

  it("an unknown schema is null, not an error", () => {
    expect(sample(undefined)).toBeNull();
    expect(sample({ $ref: "https://elsewhere/schema" })).toBeNull();
  });

  it("the command survives a quote in the input", () => {
    const command = firstCurl("http://localhost:8080", "place-order", { note: "it's" });
    expect(command).toContain(`-d '{"saga":"place-order","input":{"note":"it'\\''s"}}'`);
    expect(command).toContain("idempotency-key: first-place-order");
  });
});

describe("the step that is shown first", () => {
  const step = (name: string, state: StepState, sent: string | null = null, trouble: string | null = null) =>
    ({ name, state, sent_at: sent, trouble }) as Step;

  it("is the one a person must look at", () => {
    const steps = [step("a", "done"), step("b", "rejected"), step("c", "parked"), step("d", "idle")];
    expect(mostTelling(steps)?.name).toBe("c");
    expect(mostTelling(steps.slice(0, 2))?.name).toBe("b");
    expect(mostTelling([step("x", "rejected"), step("y", "in_flight", null, "the reply does not decode")])?.name).toBe("y");
  });

  it("is the latest one where nothing is wrong", () => {
    const steps = [step("a", "done", "2026-11-23T13:00:00Z"), step("b", "done", "2026-11-23T13:00:02Z"), step("c", "done", "2026-11-23T13:00:01Z")];
    expect(mostTelling(steps)?.name).toBe("b");
    expect(mostTelling([])).toBeUndefined();
  });
});

describe("the timeline", () => {
  const entry = (revision: number, more: Partial<HistoryEntry> = {}) => ({ revision, event: "wake", outcome: null, direction: null, ...more }) as HistoryEntry;

  it("a long history keeps its first entry and its latest ones", () => {
    const history = Array.from({ length: 250 }, (_, n) => entry(n + 1));
    const { shown, hidden } = window(history, 100);
    expect([shown.length, hidden]).toEqual([100, 150]);
    expect([shown[0]?.revision, shown[1]?.revision, shown[99]?.revision]).toEqual([1, 152, 250]);
    expect(window(history, 250)).toEqual({ shown: history, hidden: 0 });
  });

  it("success forward and success backward do not look alike", () => {
    const forward = entryLook(entry(1, { event: "reply", outcome: "succeeded", direction: "forward" }));
    const backward = entryLook(entry(1, { event: "reply", outcome: "succeeded", direction: "compensate" }));
    expect(forward).not.toEqual(backward);
    expect(entryLook(entry(1, { event: "reply", outcome: "rejected", direction: "forward" })).tone).toBe("bad");
  });
});
