/** The saga's graph as SVG: every step a link that selects it, its state as word, shape and colour. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Step, StepState } from "../contract";
import { Icon, KINDS, stepLook } from "../states";
import { NAME_LINE, NARROW, picture, type Box, type Line } from "./picture";

interface Props {
  readonly steps: readonly Step[];
  readonly selected: string | null;
  readonly isLive: boolean;
  readonly hrefOf: (step: string) => string;
  readonly onSelect: (step: string) => void;
}

export function Graph(props: Props) {
  const { steps, selected } = props;
  const frame = useRef<HTMLDivElement>(null);
  const available = useWidth(frame);
  const shape = steps.map(({ name, needs }) => `${name}<${needs.join()}`).join(";");
  const drawn = useMemo(
    () => (available === null ? null : picture(steps.map(({ name, needs }) => ({ id: name, needs })), available)),
    [shape, available],
  );
  const byName = new Map(steps.map((step) => [step.name, step]));
  return (
    <>
      <div class="graph" ref={frame}>
        {drawn !== null && (
          <svg class={`drawing ${props.isLive ? "is-live" : ""}`} width={drawn.width} height={drawn.height} role="group" aria-label="Graph of the steps">
            <defs>
              <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse">
                <path d="M0 0.5L7.5 4L0 7.5z" />
              </marker>
            </defs>
            {drawn.lines.map((line) => <Edge key={`${line.from} ${line.to}`} line={line} byName={byName} selected={selected} />)}
            {drawn.boxes.map((box) => {
              const step = byName.get(box.id);
              return step === undefined ? null : <StepBox key={box.id} {...props} box={box} step={step} isSelected={box.id === selected} />;
            })}
          </svg>
        )}
      </div>
      <Legend steps={steps} />
    </>
  );
}

function useWidth(frame: { readonly current: HTMLDivElement | null }): number | null {
  const [width, setWidth] = useState<number | null>(null);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}

const REACHED: ReadonlySet<StepState> = new Set(["done", "by_hand", "compensating", "compensated"]);

function Edge({ line, byName, selected }: { line: Line; byName: ReadonlyMap<string, Step>; selected: string | null }) {
  const from = byName.get(line.from);
  const to = byName.get(line.to);
  const isTaken = from !== undefined && to !== undefined && REACHED.has(from.state) && to.state !== "idle";
  const isNear = line.from === selected || line.to === selected;
  return <path class={`edge ${isTaken ? "taken" : ""} ${isNear ? "near" : ""}`} d={line.path} marker-end="url(#tip)" />;
}

function StepBox({ box, step, isSelected, hrefOf, onSelect }: Props & { box: Box; step: Step; isSelected: boolean }) {
  const look = stepLook(step.state);
  const kind = KINDS[step.kind];
  const isNarrow = box.width < NARROW;
  const again = step.attempt > 1 && box.width > 150 ? ` · try ${step.attempt}` : "";
  const [x, y] = [box.x + 11, box.y + 7 + NAME_LINE * box.name.length];
  return (
    // The spaces at the ends of the texts keep them apart for those who hear them.
    <a class={`step tone-${look.tone} state-${step.state} ${isNarrow ? "narrow" : ""}`} href={hrefOf(step.name)}
      aria-current={isSelected ? "true" : undefined}
      aria-label={`${step.name} ${step.participant} ${look.word}${again}, ${kind?.word ?? step.kind}`}
      onClick={(event) => { event.preventDefault(); onSelect(step.name); }}>
      <rect class="ring" x={box.x - 4} y={box.y - 4} width={box.width + 8} height={box.height + 8} rx="10" />
      <rect class="frame" x={box.x} y={box.y} width={box.width} height={box.height} rx="7" />
      <g class="kind">
        <circle cx={box.x + box.width - 15} cy={box.y} r="9.5" />
        <Icon shape={kind?.shape ?? "question"} x={box.x + box.width - 21} y={box.y - 6} size={12} />
      </g>
      <text class="name" y={box.y + 22}>
        {box.name.map((line, i) => <tspan key={i} x={x} dy={i === 0 ? 0 : NAME_LINE}>{line}</tspan>)}
        {" "}
      </text>
      <text class="participant" x={x} y={y + 18}>{step.participant} </text>
      <g class="state">
        <Icon shape={look.shape} x={x} y={box.y + box.height - 23} size={14} />
        <text x={x + 19} y={box.y + box.height - 12}>{look.word}{again}</text>
      </g>
    </a>
  );
}

function Legend({ steps }: { steps: readonly Step[] }) {
  const kinds = (Object.keys(KINDS) as Step["kind"][]).filter((kind) => steps.some((step) => step.kind === kind));
  return (
    <ul class="legend" aria-label="Kinds of steps">
      {kinds.map((kind) => <li key={kind}><Icon shape={KINDS[kind].shape} size={13} /><strong>{KINDS[kind].word}</strong> {KINDS[kind].meaning}</li>)}
    </ul>
  );
}
