/** The drawing of graphs: known ones by their facts, invented ones by what must hold for all. */
import { describe, expect, it } from "vitest";
import { crossings, layered, layersOf, spaced, type Vertex } from "../src/graph/layout";
import { nameLines, picture, type Box } from "../src/graph/picture";

const ORDER: Vertex[] = [
  { id: "create-order", needs: [] },
  { id: "reserve-stock", needs: ["create-order"] },
  { id: "authorize-payment", needs: ["create-order"] },
  { id: "create-shipment", needs: ["reserve-stock", "authorize-payment"] },
  { id: "capture-payment", needs: ["authorize-payment", "create-shipment"] },
  { id: "confirm-order", needs: ["create-order", "capture-payment"] },
];

/** A graph of every shape up to a size: each vertex needs a pseudo-random part of those before it. */
function invented(seed: number): Vertex[] {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const size = 1 + Math.floor(next() * 12);
  return Array.from({ length: size }, (_, n) => ({
    id: `step-${n}`,
    needs: Array.from({ length: n }, (_x, before) => `step-${before}`).filter(() => next() < 0.3),
  }));
}

const SEEDS = Array.from({ length: 300 }, (_, n) => n + 1);

describe("layers", () => {
  it("a step stands one layer after the last step that it needs", () => {
    expect([...layersOf(ORDER).values()]).toEqual([0, 1, 1, 2, 3, 4]);
  });

  it("every edge points forward, whatever the graph", () => {
    for (const seed of SEEDS) {
      const vertices = invented(seed);
      const layers = layersOf(vertices);
      for (const { id, needs } of vertices) {
        for (const need of needs) expect(layers.get(need)!, `seed ${seed}: ${need} -> ${id}`).toBeLessThan(layers.get(id)!);
      }
    }
  });

  it("an edge over several layers bends once in each layer that it crosses", () => {
    const { places, routes } = layered(ORDER);
    expect(places.filter(({ id }) => id === null).map(({ layer }) => layer)).toEqual([2, 1, 2, 3]);
    for (const route of routes) {
      route.forEach((index, i) => expect(places[index]!.layer).toBe(places[route[0]!]!.layer + i));
    }
  });

  it("a ring and an unknown need are drawn, not followed for ever", () => {
    const layers = layersOf([{ id: "a", needs: ["b"] }, { id: "b", needs: ["a"] }, { id: "c", needs: ["nobody"] }]);
    expect(layers.size).toBe(3);
    expect(picture([{ id: "a", needs: ["b"] }, { id: "b", needs: ["a"] }], 800).boxes).toHaveLength(2);
  });

  it("lines that need not cross do not", () => {
    const twisted: Vertex[] = [
      { id: "a", needs: [] }, { id: "b", needs: [] }, { id: "c", needs: [] },
      { id: "for-c", needs: ["c"] }, { id: "for-b", needs: ["b"] }, { id: "for-a", needs: ["a"] },
    ];
    const { layers, links } = layered(twisted);
    expect(crossings([[0, 1, 2], [3, 4, 5]], links)).toBe(3);
    expect(crossings(layers, links)).toBe(0);
  });
});

describe("positions", () => {
  const light = (at: number) => ({ at, weight: 1 });

  it("wishes that do not collide are granted", () => expect(spaced([light(10), light(50)], [20], 0, 100)).toEqual([10, 50]));
  it("those that do share the way", () => expect(spaced([light(40), light(40)], [20], 0, 100)).toEqual([30, 50]));
  it("the heavier one moves less", () => {
    expect(spaced([{ at: 40, weight: 3 }, light(40)], [20], 0, 100)).toEqual([35, 55]);
  });
  it("the rim holds them in", () => expect(spaced([light(-50), light(-40)], [20], 5, 100)).toEqual([5, 25]));
  it("the order is kept", () => expect(spaced([light(90), light(10)], [20], 0, 100)).toEqual([40, 60]));
});

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

describe("the picture", () => {
  it("runs to the right where it fits, down where it does not", () => {
    expect(picture(ORDER, 1180).direction).toBe("right");
    expect(picture(ORDER, 340).direction).toBe("down");
  });

  it("fits the width of a phone", () => {
    expect(picture(ORDER, 340).width).toBeLessThanOrEqual(340);
    const three = ["a", "b", "c"].map((id) => ({ id, needs: [] }));
    expect(picture(three, 344).width).toBeLessThanOrEqual(344);
  });

  it("a chain is straight", () => {
    const chain = ["a", "b", "c", "d"].map((id, n, all) => ({ id, needs: n === 0 ? [] : [all[n - 1]!] }));
    expect(new Set(picture(chain, 1000).boxes.map(({ y }) => y)).size).toBe(1);
    expect(new Set(picture(chain, 340).boxes.map(({ x }) => x)).size).toBe(1);
  });

  it("a long edge leaves the chain beside it straight, and is straight itself", () => {
    const { boxes, lines } = picture(ORDER, 1180);
    const ys = boxes.filter(({ id }) => ["create-order", "create-shipment", "capture-payment", "confirm-order"].includes(id)).map(({ y }) => y);
    expect(Math.max(...ys) - Math.min(...ys)).toBeLessThanOrEqual(2);
    const long = lines.find(({ from, to }) => from === "create-order" && to === "confirm-order")!;
    const passing = [...long.path.matchAll(/L[\d.]+,([\d.]+)/g)].map((match) => Number(match[1]));
    expect(passing).toHaveLength(3);
    expect(Math.max(...passing) - Math.min(...passing)).toBeLessThanOrEqual(2);
  });

  it("no two steps overlap and nothing leaves the drawing, whatever the graph", () => {
    for (const seed of SEEDS) {
      for (const width of [340, 1180]) {
        const { boxes, width: w, height: h } = picture(invented(seed), width);
        boxes.forEach((box, i) => {
          expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= w && box.y + box.height <= h, `seed ${seed} at ${width}: ${box.id} is inside`).toBe(true);
          for (const other of boxes.slice(i + 1)) expect(overlap(box, other), `seed ${seed} at ${width}: ${box.id} and ${other.id}`).toBe(false);
        });
      }
    }
  });

  it("an edge that passes by keeps out of the steps, whatever the graph", () => {
    for (const seed of SEEDS) {
      const { boxes, lines } = picture(invented(seed), 1180);
      for (const { path, from, to } of lines) {
        for (const [, x1, y1] of path.matchAll(/L([\d.]+),([\d.]+)/g)) {
          const [x, y] = [Number(x1), Number(y1)];
          const hit = boxes.find((box) => x > box.x && x <= box.x + box.width && y > box.y && y < box.y + box.height);
          expect(hit?.id, `seed ${seed}: ${from} -> ${to}`).toBeUndefined();
        }
      }
    }
  });

  it("is the same every time, and empty for no steps", () => {
    expect(picture(ORDER, 1180)).toEqual(picture(ORDER, 1180));
    expect(picture([], 1180)).toMatchObject({ boxes: [], lines: [] });
  });
});

describe("names", () => {
  it.each<[string, number, string[]]>([
    ["confirm-order", 13, ["confirm-order"]],
    ["authorize-payment", 11, ["authorize-", "payment"]],
    ["produce-and-send-plastic-card", 16, ["produce-and-", "send-plastic-", "card"]],
    ["unhyphenatedname", 6, ["unhyph", "enated", "name"]],
    ["a-name-that-is-much-too-long-for-it", 8, ["a-name-t", "hat-is-m", "uch-too…"]],
  ])("%s in lines of %d", (name, room, lines) => {
    expect(nameLines(name, room)).toEqual(lines);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(room);
  });
});
