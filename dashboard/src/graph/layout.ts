/**
 * Where each step of a saga stands: a layered drawing of the graph that `needs` spans.
 *
 * A step's layer is the longest path to it, so every edge points forward. An edge over several layers
 * gets a bend in each layer that it crosses, and therefore never runs through another step. Pure and
 * deterministic: the same graph in the same width is the same picture, or it would jump at every poll.
 */

export interface Vertex {
  readonly id: string;
  readonly needs: readonly string[];
}

/** A step in its layer, or (id null) the bend of an edge that passes by. */
export interface Place {
  readonly id: string | null;
  readonly layer: number;
}

interface Link {
  readonly from: number;
  readonly to: number;
}

/** Layers of indices into `places`, in drawing order, and the links between neighbouring layers. */
export interface Layered {
  readonly places: readonly Place[];
  readonly layers: readonly (readonly number[])[];
  readonly links: readonly Link[];
  /** Each edge as the places it visits, from the needed step to the one that needs it. */
  readonly routes: readonly (readonly number[])[];
}

export function layersOf(vertices: readonly Vertex[]): Map<string, number> {
  const byId = new Map(vertices.map((vertex) => [vertex.id, vertex]));
  const layers = new Map<string, number>();
  const visit = (vertex: Vertex, above: ReadonlySet<string>): number => {
    const known = layers.get(vertex.id);
    if (known !== undefined) return known;
    let layer = 0;
    for (const need of vertex.needs) {
      const needed = byId.get(need);
      // Unknown names and rings cannot come from a definition that was accepted; draw what is left.
      if (needed === undefined || above.has(need)) continue;
      layer = Math.max(layer, visit(needed, new Set(above).add(vertex.id)) + 1);
    }
    layers.set(vertex.id, layer);
    return layer;
  };
  for (const vertex of vertices) visit(vertex, new Set([vertex.id]));
  return layers;
}

export function layered(vertices: readonly Vertex[]): Layered {
  const layerOf = layersOf(vertices);
  const places: Place[] = vertices.map(({ id }) => ({ id, layer: layerOf.get(id) ?? 0 }));
  const indexOf = new Map(vertices.map(({ id }, index) => [id, index]));
  const links: Link[] = [];
  const routes: number[][] = [];
  for (const [to, vertex] of vertices.entries()) {
    for (const need of vertex.needs) {
      const from = indexOf.get(need);
      const end = places[to]?.layer ?? 0;
      const start = from === undefined ? end : (places[from]?.layer ?? 0);
      if (from === undefined || start >= end) continue;
      const route = [from];
      for (let layer = start + 1; layer < end; layer += 1) {
        places.push({ id: null, layer });
        route.push(places.length - 1);
      }
      route.push(to);
      for (let i = 1; i < route.length; i += 1) links.push({ from: route[i - 1]!, to: route[i]! });
      routes.push(route);
    }
  }
  return { places, layers: ordered(places, links), links, routes };
}

/** Sweeps the layers forth and back, each sorted by the mean position of its neighbours. */
function ordered(places: readonly Place[], links: readonly Link[]): number[][] {
  const depth = places.reduce((deepest, place) => Math.max(deepest, place.layer + 1), 0);
  let layers: number[][] = Array.from({ length: depth }, () => []);
  places.forEach((place, index) => layers[place.layer]?.push(index));
  let best = layers;
  let least = crossings(best, links);
  for (let sweep = 0; sweep < 8 && least > 0; sweep += 1) {
    layers = sweep % 2 === 0 ? swept(layers, links, "from") : swept(layers, links, "to");
    const now = crossings(layers, links);
    if (now < least) [best, least] = [layers, now];
  }
  return best;
}

function swept(layers: readonly (readonly number[])[], links: readonly Link[], side: "from" | "to"): number[][] {
  const other = side === "from" ? "to" : "from";
  const next = layers.map((layer) => [...layer]);
  const order = side === "from" ? next.keys() : [...next.keys()].reverse();
  for (const depth of order) {
    const position = new Map<number, number>();
    for (const layer of next) layer.forEach((place, at) => position.set(place, at));
    const wish = new Map<number, number>();
    for (const place of next[depth] ?? []) {
      const near = links.filter((link) => link[other] === place).map((link) => position.get(link[side]) ?? 0);
      wish.set(place, near.length === 0 ? (position.get(place) ?? 0) : mean(near));
    }
    next[depth]?.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0) || (position.get(a) ?? 0) - (position.get(b) ?? 0));
  }
  return next;
}

export function crossings(layers: readonly (readonly number[])[], links: readonly Link[]): number {
  const position = new Map<number, { layer: number; at: number }>();
  layers.forEach((layer, depth) => layer.forEach((place, at) => position.set(place, { layer: depth, at })));
  let found = 0;
  for (const [i, a] of links.entries()) {
    for (const b of links.slice(i + 1)) {
      const [a1, a2, b1, b2] = [a.from, a.to, b.from, b.to].map((place) => position.get(place)!);
      if (a1!.layer === b1!.layer && (a1!.at - b1!.at) * (a2!.at - b2!.at) < 0) found += 1;
    }
  }
  return found;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Where a place would like to be, and how much that counts against its neighbours' wishes. */
export interface Wish {
  readonly at: number;
  readonly weight: number;
}

/**
 * Positions nearest to the wishes (least squares) that keep the order and the gaps and stay between
 * `low` and `high`: neighbours that want to be closer than their gap move together, as one block.
 */
export function spaced(wishes: readonly Wish[], gaps: readonly number[], low: number, high: number): number[] {
  const lead: number[] = [];
  wishes.forEach((_, i) => lead.push(i === 0 ? 0 : lead[i - 1]! + gaps[i - 1]!));
  const blocks: { sum: number; weight: number; size: number }[] = [];
  wishes.forEach(({ at, weight }, i) => {
    blocks.push({ sum: (at - lead[i]!) * weight, weight, size: 1 });
    while (blocks.length > 1) {
      const last = blocks[blocks.length - 1]!;
      const before = blocks[blocks.length - 2]!;
      if (before.sum / before.weight <= last.sum / last.weight) break;
      blocks.splice(-2, 2, { sum: before.sum + last.sum, weight: before.weight + last.weight, size: before.size + last.size });
    }
  });
  const top = Math.max(low, high - (lead[lead.length - 1] ?? 0));
  const bases = blocks.flatMap(({ sum, weight, size }) => Array.from({ length: size }, () => Math.min(top, Math.max(low, sum / weight))));
  return bases.map((base, i) => base + lead[i]!);
}
