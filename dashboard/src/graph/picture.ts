/**
 * The layered graph in pixels: which way it runs, how large a step is, and the line of every edge.
 *
 * It runs from left to right where that fits, else from top to bottom, because a page scrolls down with
 * a thumb and sideways with a curse.
 */
import { layered, spaced, type Layered, type Vertex, type Wish } from "./layout";

export interface Box {
  readonly id: string;
  /** The step's name in lines that fit. */
  readonly name: readonly string[];
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

/** Height of a step with a name of one line; each further line adds to all steps. */
const HEIGHT = 72;
export const NAME_LINE = 15;
const NAME_LINES_MAX = 3;
const RIGHT = { least: 158, most: 216, gap: 34, between: 18, bend: 20 };
/** Three steps beside each other fit on a phone of 390 px. */
const DOWN = { least: 100, most: 232, gap: 30, between: 12, bend: 8 };
/** Below this width the text of a step is set smaller. */
export const NARROW = 124;
/** Room for the focus ring, the mark on the upper edge and the arrow heads at the rim. */
const MARGIN = 10;
/** Width of a character of the name in pixels, in the widest of the usual system fonts (DejaVu Sans). */
const NAME_CHARACTER = 8.1;
const NAME_CHARACTER_NARROW = 7.4;

type Point = readonly [number, number];

export function picture(vertices: readonly Vertex[], available: number): Picture {
  const graph = layered(vertices);
  const depth = graph.layers.length;
  const room = Math.max(0, available - 2 * MARGIN);
  const isRight = depth * RIGHT.least + (depth - 1) * RIGHT.gap <= room;
  return isRight ? drawn(graph, "right", room) : drawn(graph, "down", room);
}

function drawn(graph: Layered, direction: "right" | "down", available: number): Picture {
  const isRight = direction === "right";
  const rule = isRight ? RIGHT : DOWN;
  const depth = graph.layers.length;
  const width = isRight
    ? clamp((available - (depth - 1) * rule.gap) / Math.max(1, depth), rule.least, rule.most)
    : clamp(widestFitting(graph, available), rule.least, rule.most);
  const room = Math.floor((width - 20) / (width < NARROW ? NAME_CHARACTER_NARROW : NAME_CHARACTER));
  const names = new Map(graph.places.flatMap(({ id }) => (id === null ? [] : [[id, nameLines(id, room)] as const])));
  const height = HEIGHT + NAME_LINE * (Math.max(1, ...[...names.values()].map((lines) => lines.length)) - 1);
  const along = isRight ? width : height;
  const across = isRight ? height : width;
  const sizes = graph.places.map(({ id }) => (id === null ? rule.bend : across));
  const extent = Math.max(across, ...graph.layers.map((layer) => span(layer, sizes, rule.between)));
  const centres = aligned(graph, sizes, rule.between, extent);

  const start = (layer: number) => MARGIN + layer * (along + rule.gap);
  const at = (one: number, other: number): Point => (isRight ? [one, other] : [other, one]);
  const boxes = graph.places.flatMap(({ id, layer }, index): Box[] => {
    if (id === null) return [];
    const [x, y] = at(start(layer), MARGIN + centres[index]! - across / 2);
    return [{ id, name: names.get(id) ?? [id], x, y, width, height }];
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

/** A bend gives way to a step. */
const STEP_WEIGHT = 50;
const SWEEPS = 12;

/** Moves every place towards the middle of its neighbours, forth and back, so that chains are straight. */
function aligned(graph: Layered, sizes: readonly number[], between: number, extent: number): number[] {
  const near = neighbours(graph);
  const centres = graph.places.map(() => extent / 2);
  const isBend = (index: number) => graph.places[index]!.id === null;
  const wish = (index: number, side: -1 | 0 | 1): Wish => {
    const weight = isBend(index) ? 1 : STEP_WEIGHT;
    const layer = graph.places[index]!.layer + side;
    const heard = near[index]!.filter((other) => side === 0 || graph.places[other]!.layer === layer);
    // Steps listen to steps and bends to bends, where they have any: an edge that passes by must not pull
    // a chain askew, and is itself straight.
    const alike = heard.filter((other) => isBend(other) === isBend(index));
    const counted = alike.length > 0 ? alike : heard;
    if (counted.length === 0) return { at: centres[index]!, weight };
    return { at: counted.reduce((sum, other) => sum + centres[other]!, 0) / counted.length, weight };
  };
  const settle = (layer: readonly number[], wishes: readonly Wish[]) => {
    const gaps = layer.slice(1).map((index, i) => (sizes[layer[i]!]! + sizes[index]!) / 2 + between);
    const low = (sizes[layer[0]!] ?? 0) / 2;
    const high = extent - (sizes[layer[layer.length - 1]!] ?? 0) / 2;
    spaced(wishes, gaps, low, high).forEach((centre, i) => { centres[layer[i]!] = centre; });
  };
  const sweep = (layers: readonly (readonly number[])[], side: -1 | 0 | 1) => {
    for (const layer of layers) settle(layer, layer.map((index) => wish(index, side)));
  };
  for (const layer of graph.layers) settle(layer, layer.map((index) => ({ at: centres[index]!, weight: isBend(index) ? 1 : STEP_WEIGHT })));
  for (let i = 0; i < SWEEPS; i += 1) {
    sweep(graph.layers, -1);
    sweep([...graph.layers].reverse(), 1);
  }
  for (let i = 0; i < SWEEPS; i += 1) sweep(graph.layers, 0);
  return centres;
}

function neighbours(graph: Layered): number[][] {
  const near: number[][] = graph.places.map(() => []);
  for (const { from, to } of graph.links) {
    near[from]!.push(to);
    near[to]!.push(from);
  }
  return near;
}

function clamp(value: number, least: number, most: number): number {
  return Math.floor(Math.min(most, Math.max(least, value)));
}

/** A name in lines of at most `room` characters: broken after a hyphen where that helps, else anywhere. */
export function nameLines(name: string, room: number, most = NAME_LINES_MAX): string[] {
  if (name.length <= room) return [name];
  if (most === 1) return [`${name.slice(0, Math.max(1, room - 1))}…`];
  const hyphen = name.lastIndexOf("-", room - 1) + 1;
  // A break at the hyphen is left out where the rest would then need to be cut.
  const cut = hyphen > 0 && name.length - hyphen <= room * (most - 1) ? hyphen : room;
  return [name.slice(0, cut), ...nameLines(name.slice(cut), room, most - 1)];
}
