/** Addresses of the page, and the questions that follow from them. */
import { describe, expect, it } from "vitest";
import { listPath } from "../src/api";
import { href, isSamePlace, OVERVIEW, parseRoute, type Route } from "../src/route";

const ID = "019ab0e1-52c0-7a11-8d21-3f6a90b1c001";

describe("addresses", () => {
  it.each<Exclude<Route, { page: "unknown" }>>([
    OVERVIEW,
    { page: "overview", states: ["running", "stuck"], definition: "place-order", attention: false, cursor: "a+b/c=&d" },
    { ...OVERVIEW, attention: true },
    { page: "saga", id: ID, step: null },
    { page: "saga", id: ID, step: "authorize-payment" },
    { page: "saga", id: "not/an id?#", step: null },
    { page: "dead-letters", cursor: null },
    { page: "dead-letters", cursor: "2026" },
  ])("%j survives being an address", (route) => expect(parseRoute(href(route))).toEqual(route));

  it("an empty address is the overview", () => {
    expect(parseRoute("")).toEqual(OVERVIEW);
    expect(parseRoute("#")).toEqual(OVERVIEW);
  });

  it("states that do not exist are left out", () => {
    expect(parseRoute("#/?state=stuck,broken")).toEqual({ ...OVERVIEW, states: ["stuck"] });
  });

  it.each(["#/nowhere", "#/sagas", "#/sagas/a/b", "#/sagas/%E0%A4%A", "#/dead-letters/1"])("%s leads nowhere", (hash) => {
    expect(parseRoute(hash).page).toBe("unknown");
  });

  it("the question to the server carries the whole filter", () => {
    expect(listPath({ page: "overview", states: ["running", "stuck"], definition: "place-order", attention: false, cursor: "x=" }))
      .toBe("/v1/sagas?state=running,stuck&definition=place-order&limit=50&cursor=x%3D");
    expect(listPath({ ...OVERVIEW, attention: true })).toBe("/v1/sagas?attention=true&limit=50");
    expect(listPath(OVERVIEW)).toBe("/v1/sagas?limit=50");
  });

  it("another step is the same place, another saga is not", () => {
    const saga = parseRoute(`#/sagas/${ID}`);
    expect(isSamePlace(saga, parseRoute(`#/sagas/${ID}?step=a`))).toBe(true);
    expect(isSamePlace(saga, parseRoute("#/sagas/other"))).toBe(false);
    expect(isSamePlace(saga, OVERVIEW)).toBe(false);
    expect(isSamePlace(OVERVIEW, parseRoute("#/?state=stuck"))).toBe(true);
  });
});
