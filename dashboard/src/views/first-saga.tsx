/** What an empty installation shows: how to submit the first saga, with an input that fits its schema. */
import { useEffect, useState } from "preact/hooks";
import { askDefinition } from "../api";
import { Copy, Empty } from "../parts";
import { firstCurl, sample } from "../sample";

export function FirstSaga({ definitions }: { definitions: readonly string[] }) {
  const name = definitions[0];
  const [input, setInput] = useState<unknown>({});
  useEffect(() => {
    if (name === undefined) return;
    const abort = new AbortController();
    // Without the schema the command still teaches its shape, so a failure here is nobody's news.
    askDefinition(name)(abort.signal).then((one) => setInput(sample(one.input_schema)), () => undefined);
    return () => abort.abort();
  }, [name]);
  if (name === undefined) {
    return (
      <Empty title="This server has no definitions.">
        <p>A definition is Rust code that is linked into the binary: register one in your <code>main</code> with <code>sagas_program::main(registry)</code> and start it again. <code>saga definitions</code> lists what a binary has.</p>
      </Empty>
    );
  }
  const command = firstCurl(location.origin, name, input);
  return (
    <Empty title="No saga yet. Submit the first one:">
      <div class="command">
        <pre tabIndex={0} role="group" aria-label="Command">{command}</pre>
        <Copy text={command} label="the command" />
      </div>
      <p>It answers <code>202</code> with the saga's id, and the saga appears here within a second. Sent twice with the same <code>idempotency-key</code>, it is still one saga. Change the input where a value is only an example.</p>
      {definitions.length > 1 && <p class="muted">Also defined: {definitions.slice(1).join(", ")}.</p>}
    </Empty>
  );
}
