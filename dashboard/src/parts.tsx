/** Small parts that more than one page uses: times, copying, JSON blocks, faults, empty states. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Fault } from "./api";
import { absolute, ago, bytes } from "./format";
import { CUT_ABOVE, print } from "./json";
import { now } from "./live";

/** "4 min ago", with the exact time for the pointer and for assistive technology. */
export function Ago({ at }: { at: string }) {
  return <time dateTime={at} title={absolute(at)}>{ago(at, now.value)}</time>;
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), 2000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => setState((await toClipboard(text)) ? "copied" : "failed");
  return (
    <button type="button" class={`copy ${state}`} aria-label={`Copy ${label}`} title={`Copy ${label}`} onClick={() => void copy()}>
      <svg class="icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <path d={state === "copied" ? "M2.5 8.6l3.6 3.6L13.5 4" : "M5.5 5.5V2.5h8v8h-3M2.5 5.5h8v8h-8z"} />
      </svg>
      <span class="said" role="status">{state === "copied" ? "copied" : state === "failed" ? "select it and copy by hand" : ""}</span>
    </button>
  );
}

/** Plain HTTP inside a network has no clipboard API; the old way still works there. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}

export function JsonBlock({ name, value, none }: { name: string; value: unknown; none?: string }) {
  const kept = useRef<{ value: unknown; printed: ReturnType<typeof print> } | null>(null);
  if (kept.current === null || kept.current.value !== value) kept.current = { value, printed: print(value) };
  const { printed } = kept.current;
  const [isOpen, setOpen] = useState<boolean | null>(null);
  if (value === null || value === undefined) {
    return none === undefined ? null : <div class="json"><h3>{name}</h3><p class="muted">{none}</p></div>;
  }
  const open = isOpen ?? !printed.collapsed;
  return (
    <div class="json">
      <div class="json-head">
        <h3>{name}</h3>
        {printed.collapsed && (
          <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide" : "Show"} {bytes(printed.text.length)}
          </button>
        )}
        <Copy text={printed.text} label={name.toLowerCase()} />
      </div>
      {open && <pre tabIndex={0} role="group" aria-label={name}>{printed.shown}</pre>}
      {open && printed.cut > 0 && (
        <p class="muted">The first {bytes(CUT_ABOVE)}; {bytes(printed.cut)} more. Copying gives all of it.</p>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return <div class="empty"><h2>{title}</h2>{children}</div>;
}

export function FaultView({ fault, children }: { fault: Fault; children?: ComponentChildren }) {
  return (
    <Empty title={fault.headline}>
      <p>{fault.advice}</p>
      {children}
    </Empty>
  );
}

/**
 * Appears only when an answer takes long: a flash at every change of page would be noise. Why it takes
 * long, if that is known, stands above the page.
 */
export function Loading() {
  return <p class="loading" role="status">Asking the server…</p>;
}
