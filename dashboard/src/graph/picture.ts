/**
 * The layered graph in pixels: which way it runs, how large a step is, and the line of every edge.
 *
 * It runs from left to right where that fits, else from top to bottom, because a page scrolls down with
 * a thumb and sideways with a curse.
 */
import { layered, spaced, type Layered, type Vertex } from "./layout";

export interface Box {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Line {
  readonly from: string;
  readonly to: string;
  readonly path: string;
}

export interface Picture {
  readonly direction: "right" | "down";
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
}

const HEIGHT = 74;
const RIGHT = { least: 158, most: 216, gap: 34, between: 18, bend: 20 };
const DOWN = { least: 132, most: 232, gap: 30, between: 12, bend: 14 };
/** Room for the focus ring and the arrow heads at the rim. */
const MARGIN = 6;

type Point = readonly [number, number];

export function picture(vertices: readonly Vertex[], available: number): Picture {
  const graph = layered(vertices);
  const depth = graph.layers.length;
  const room = Math.max(0, available - 2 * MARGIN);
  const isRight = depth * RIGHT.least + (depth - 1) * RIGHT.gap <= room;
  return isRight ? drawn(graph, "right", room) : drawn(graph, "down", room);
}

function drawn(graph: Layered, direction: "right" | "down", room: number): Picture {
  const isRight = direction === "right";
  const rule = isRight ? RIGHT : DOWN;
  const depth = graph.layers.length;
  const width = isRight
    ? clamp((room - (depth - 1) * rule.gap) / Math.max(1, depth), rule.least, rule.most)
    : clamp(widestFitting(graph, room), rule.least, rule.most);
  const along = isRight ? width : HEIGHT;
  const across = isRight ? HEIGHT : width;
  const sizes = graph.places.map(({ id }) => (id === null ? rule.bend : across));
  const extent = Math.max(across, ...graph.layers.map((layer) => span(layer, sizes, rule.between)));
  const centres = aligned(graph, sizes, rule.between, extent);

  const start = (layer: number) => MARGIN + layer * (along + rule.gap);
  const at = (one: number, other: number): Point => (isRight ? [one, other] : [other, one]);
  const boxes = graph.places.flatMap(({ id, layer }, index): Box[] => {
    if (id === null) return [];
    const [x, y] = at(start(layer), MARGIN + centres[index]! - across / 2);
    return [{ id, x, y, width, height: HEIGHT }];
  });
  const lines = graph.routes.map((route) => line(route, graph, isRight, (index) => {
    const first = start(graph.places[index]!.layer);
    const middle = MARGIN + centres[index]!;
    return [at(first, middle), at(first + along, middle)];
  }));
  const [w, h] = at(depth * along + Math.max(0, depth - 1) * rule.gap + 2 * MARGIN, extent + 2 * MARGIN);
  return { direction, width: w, height: h, boxes, lines };
}

type Ends = (index: number) => readonly [enter: Point, leave: Point];

function line(route: readonly number[], graph: Layered, isRight: boolean, ends: Ends): Line {
  const from = route[0]!;
  const to = route[route.length - 1]!;
  let path = "";
  for (const [i, index] of route.entries()) {
    const [enter, leave] = ends(index);
    if (i > 0) path += curve(ends(route[i - 1]!)[1], enter, isRight);
    if (i === 0) path += `M${point(leave)}`;
    else if (i < route.length - 1) path += `L${point(leave)}`;
  }
  return { from: graph.places[from]!.id!, to: graph.places[to]!.id!, path };
}

/** Leaves and arrives along the direction of the drawing. */
function curve([x1, y1]: Point, [x2, y2]: Point, isRight: boolean): string {
  const half = isRight ? (x2 - x1) / 2 : (y2 - y1) / 2;
  const first: Point = isRight ? [x1 + half, y1] : [x1, y1 + half];
  const second: Point = isRight ? [x2 - half, y2] : [x2, y2 - half];
  return `C${point(first)} ${point(second)} ${point([x2, y2])}`;
}

function point([x, y]: Point): string {
  return `${round(x)},${round(y)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function span(layer: readonly number[], sizes: readonly number[], between: number): number {
  return layer.reduce((sum, index) => sum + sizes[index]!, 0) + Math.max(0, layer.length - 1) * between;
}

/** The widest step with which the fullest layer still fits beside its bends. */
function widestFitting(graph: Layered, room: number): number {
  const fits = graph.layers.map((layer) => {
    const steps = layer.filter((index) => graph.places[index]!.id !== null).length;
    const taken = (layer.length - 1) * DOWN.between + (layer.length - steps) * DOWN.bend;
    return (room - taken) / Math.max(1, steps);
  });
  return Math.min(...fits, DOWN.most);
}

/** Moves every place towards the middle of its neighbours, forth and back, so that chains are straight. */
function aligned(graph: Layered, sizes: readonly number[], between: number, extent: number): number[] {
  const near: number[][] = graph.places.map(() => []);
  for (const { from, to } of graph.links) {
    near[from]!.push(to);
    near[to]!.push(from);
  }
  const centres = graph.places.map(() => extent / 2);
  const settle = (layer: readonly number[], isFirst: boolean, side: -1 | 0 | 1) => {
    const depth = graph.places[layer[0]!]?.layer ?? 0;
    const wishes = layer.map((index) => {
      const heard = near[index]!.filter((other) => side === 0 || graph.places[other]!.layer === depth + side);
      if (isFirst || heard.length === 0) return centres[index]!;
      return heard.reduce((sum, other) => sum + centres[other]!, 0) / heard.length;
    });
    const gaps = layer.slice(1).map((index, i) => (sizes[layer[i]!]! + sizes[index]!) / 2 + between);
    const low = (sizes[layer[0]!] ?? 0) / 2;
    const high = extent - (sizes[layer[layer.length - 1]!] ?? 0) / 2;
    spaced(wishes, gaps, low, high).forEach((centre, i) => { centres[layer[i]!] = centre; });
  };
  for (const layer of graph.layers) settle(layer, true, 0);
  for (let sweep = 0; sweep < 4; sweep += 1) {
    for (const layer of graph.layers) settle(layer, false, -1);
    for (const layer of [...graph.layers].reverse()) settle(layer, false, 1);
  }
  for (const layer of graph.layers) settle(layer, false, 0);
  return centres;
}

function clamp(value: number, least: number, most: number): number {
  return Math.floor(Math.min(most, Math.max(least, value)));
}

/** A name in at most two lines of `room` characters, broken after a hyphen where there is one. */
export function nameLines(name: string, room: number): string[] {
  if (name.length <= room) return [name];
  const hyphen = name.lastIndexOf("-", room - 1);
  const cut = hyphen > 0 ? hyphen + 1 : room;
  const rest = name.slice(cut);
  return [name.slice(0, cut), rest.length <= room ? rest : `${rest.slice(0, room - 1)}…`];
}
