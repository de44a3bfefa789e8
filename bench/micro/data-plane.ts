/** Functions of the data plane, one a row: checksum, flow, SPD, flow cache, replay window, a call into the addon. */
import { outBatches } from "#bench/pipeline/traffic";
import { parsePrefix } from "#core/address";
import { allocateLaneMemory } from "#core/lane-memory";
import type { Policy } from "#core/policy";
import { prefixSelector, type TrafficSelector } from "#core/selector";
import { loadAddon } from "#io/native";
import { type CipherAddon, createNativeCipher } from "#io/native-cipher";
import { systemRandom } from "#io/system-random";
import { Flow, FlowKey, OUTBOUND } from "#ipsec/flow";
import { FlowCache, MISS } from "#ipsec/flow-cache";
import { ReplayWindow, windowWords } from "#ipsec/replay-window";
import { SA_COLUMNS, Sa, SaFlag, SaTable } from "#ipsec/sa";
import { Spd } from "#ipsec/spd";
import { compileSpd } from "#ipsec/spd-compile";
import { checksum } from "#wire/ip/checksum";
import type { Work } from "./timing.ts";

export interface MicroRow {
  readonly name: string;
  readonly work: Work;
}

const FLOWS = 1024;
const VERSION = 1;

export function dataPlaneRows(): MicroRow[] {
  return [...checksumRows(), ...flowRows(), ...spdRows(), ...cacheRows(), replayRow(), addonRow()];
}

function checksumRows(): MicroRow[] {
  const view = new DataView(new SharedArrayBuffer(2048));
  for (let at = 0; at < view.byteLength; at++) view.setUint8(at, at * 7);
  return [20, 1400].map((octets) => ({
    name: `checksum of ${octets} octets`,
    work: (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += checksum(view, i & 63, octets);
      return sum;
    },
  }));
}

function flowRows(): MicroRow[] {
  return ([4, 6] as const).map((family) => {
    const [batch] = outBatches({ family, size: 64, batch: 64, grouping: "flows", pairs: 1 });
    const view = new DataView(new SharedArrayBuffer(64 * 64));
    const bytes = new Uint8Array(view.buffer);
    for (const [i, { octets }] of (batch?.pieces ?? []).entries()) bytes.set(octets, i * 64);
    const key = new FlowKey();
    return {
      name: `flow of an IPv${family} packet`,
      work: (n) => {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += key.extract(view, (i & 63) * 64, 64);
        return sum;
      },
    };
  });
}

/** Words of flow `i`, one a policy's remote prefix. */
function flowWords(i: number, count: number): Int32Array {
  const words = new Int32Array(12);
  words[Flow.FAMILY] = 4;
  words[Flow.SOURCE] = (10 << 24) | (1 << 16) | 1;
  words[Flow.DESTINATION] = (11 << 24) | ((i % count) << 8) | 7;
  words[Flow.PROTOCOL] = 6;
  words[Flow.PORTS] = ((1024 + i) << 16) | 443;
  words[Flow.FLAGS] = 4;
  return words;
}

function selector(text: string): TrafficSelector {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is a prefix`);
  return prefixSelector(prefix);
}

function policies(count: number): Policy[] {
  const local = [selector("10.1.0.0/16")];
  return Array.from({ length: count }, (_, i) => ({
    name: `p${i}`,
    action: "protect",
    local,
    remote: [selector(`11.${(i >> 8) & 255}.${i & 255}.0/24`)],
    source: undefined,
  }));
}

function spdRows(): MicroRow[] {
  return [10, 1000, 10_000].map((count) => {
    const spd = new Spd(compileSpd(policies(count), VERSION));
    const flows = Array.from({ length: FLOWS }, (_, i) => flowWords(i * 9, count));
    return {
      name: `SPD lookup among ${count} policies`,
      work: overFlows(flows, (words) => spd.lookup(words, OUTBOUND)),
    };
  });
}

function overFlows(flows: readonly Int32Array[], look: (words: Int32Array) => number): Work {
  return (n) => {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const words = flows[i & (FLOWS - 1)];
      if (words !== undefined) sum += look(words);
    }
    return sum;
  };
}

function cacheRows(): MicroRow[] {
  const cache = new FlowCache(systemRandom);
  const flows = Array.from({ length: FLOWS }, (_, i) => flowWords(i, FLOWS));
  const strangers = Array.from({ length: FLOWS }, (_, i) => flowWords(i + FLOWS, FLOWS));
  for (const words of flows) if (cache.find(words, OUTBOUND, VERSION) === MISS) cache.put(words, OUTBOUND, VERSION, 1);
  const find = (words: Int32Array) => cache.find(words, OUTBOUND, VERSION);
  return [
    { name: "flow cache, hit", work: overFlows(flows, find) },
    { name: "flow cache, miss", work: overFlows(strangers, find) },
  ];
}

function replayRow(): MicroRow {
  const table = SaTable.allocate(256);
  const window = new ReplayWindow(table);
  const words = windowWords(2048);
  table.columns[Sa.FLAGS] = SaFlag.ESN | SaFlag.INBOUND;
  table.columns[Sa.WINDOW] = 2048;
  table.columns[Sa.WINDOW_WORDS] = words;
  table.columns[SA_COLUMNS + Sa.WINDOW_OFFSET] = words;
  let low = 0;
  return {
    name: "replay window, check and accept, in order",
    work: (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) {
        low++;
        sum += window.accept(0, window.check(0, low), low);
      }
      return sum;
    },
  };
}

function addonRow(): MicroRow {
  const memory = allocateLaneMemory(2);
  const cipher = createNativeCipher(loadAddon() as CipherAddon, memory.slab, 2);
  return {
    name: "call into the addon (seal of no rows)",
    work: (n) => {
      for (let i = 0; i < n; i++) cipher.seal(memory.out, 0);
      return n;
    },
  };
}
