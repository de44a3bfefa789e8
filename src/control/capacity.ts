/**
 * How many pairs of SAs a gateway can have (docs/requirements.md S56): by memory, by the rows of its table, by the JavaScript
 * heap and by the processor time that rekeys take. Nothing here is a limit: what is computed is where a machine's ends are.
 *
 * The costs are those of test/capacity/measure.ts on one core of an AMD EPYC with Node 20.20 and AES-256-GCM.
 */
import type { ChildConfig, Connection } from "#core/connection";
import type { GatewayConfig } from "#core/policy";

/** Octets, and milliseconds of processor time of one side. */
interface Costs {
  readonly gateway: number;
  /** Of one SA: its row in the SA table and its endpoint. */
  readonly row: number;
  /** Of one SA: its expanded key. */
  readonly key: number;
  /** Policy, tunnel, director's and data plane's records; the configuration of its connection. */
  readonly pair: number;
  /** An IKE SA with what it knows of one pair, by version. */
  readonly peer: Readonly<Record<1 | 2, number>>;
  /** Without and with a key exchange of its own (x25519). */
  readonly rekey: { readonly plain: number; readonly exchanged: number };
  /** Of an IKE SA: a key exchange and the seals around it. */
  readonly ikeRekey: number;
}

export const COSTS: Costs = {
  gateway: 80_000_000,
  row: 992,
  key: 700,
  pair: 5_500,
  peer: { 1: 19_000, 2: 16_000 },
  rekey: { plain: 1.8, exchanged: 3.3 },
  ikeRekey: 4,
};

/** Beside the pair that carries the traffic its former one listens so long, and more go ahead of short lives. */
const OVERLAP = 15_000;
/** Part of one processor that rekeys may take: the rest is for packets. */
const PROCESSOR_PART = 0.5;
const SECOND = 1000;
const HOUR: number = 3_600 * SECOND;
const DEFAULTS = { slots: 16_384, ikeLife: 4 * HOUR, childLife: HOUR } as const;

export interface Machine {
  /** Octets that the gateway may have. */
  readonly memory: number;
  /** Octets of V8's heap. */
  readonly heap: number;
}

/** Mean of the configuration's children; Infinity = never. */
export interface Load {
  readonly slots: number;
  readonly pairsPerPeer: number;
  readonly version: 1 | 2;
  /** Milliseconds. */
  readonly ikeLife: number;
  readonly childLife: number;
  readonly exchanges: boolean;
  /** The fewest pairs with one peer that any connection allows. */
  readonly pairsLimit: number;
}

export type BoundName = "memory" | "slots" | "heap" | "processor";

export interface Bound {
  readonly name: BoundName;
  readonly pairs: number;
  /** What it comes of, and what to do about it. */
  readonly because: string;
  readonly remedy: string;
}

export interface Capacity {
  readonly load: Load;
  /** With its share of its peer's IKE SA. */
  readonly octetsPerPair: number;
  /** Rekeys of pairs and IKE SAs a second, at this many pairs, and the part of a processor they take. */
  readonly rekeysPerSecond: number;
  readonly processor: number;
  /** The lowest first: it binds. */
  readonly bounds: readonly Bound[];
  readonly pairs: number;
}

/** Without a configuration: the defaults, one pair a peer. */
export function loadOf(config: GatewayConfig | undefined): Load {
  const connections = config?.ike?.connections ?? [];
  const protecting = connections.map((connection) => ({
    connection,
    children: connection.children.filter(({ mode }) => mode === "tunnel" || mode === "transport"),
  }));
  const children = protecting.flatMap((one) => one.children);
  const peers = protecting.filter((one) => one.children.length > 0);
  return {
    slots: config?.slots ?? DEFAULTS.slots,
    pairsPerPeer: peers.length === 0 ? 1 : children.length / peers.length,
    version: peers.length > 0 && peers.every(({ connection }) => connection.version === 1) ? 1 : 2,
    ikeLife: peers.length === 0 ? DEFAULTS.ikeLife : meanLife(peers.map(({ connection }) => ikeLifeOf(connection))),
    childLife: children.length === 0 ? DEFAULTS.childLife : meanLife(children.map(childLifeOf)),
    exchanges: children.some(hasExchange),
    pairsLimit: Math.min(...peers.map(({ connection }) => connection.pairsLimit), Number.POSITIVE_INFINITY),
  };
}

/** Of so many rekeys a second each: the harmonic mean. */
function meanLife(lives: readonly number[]): number {
  const rate = lives.reduce((sum, life) => sum + 1 / life, 0) / lives.length;
  return rate === 0 ? Number.POSITIVE_INFINITY : 1 / rate;
}

function ikeLifeOf({ rekeyTime, reauthTime }: Connection): number {
  return Math.min(rekeyTime, reauthTime);
}

/** By time, or by octets at the rate that is expected. */
function childLifeOf({ lifetime, expectedRate = undefined }: ChildConfig): number {
  const byTime = Math.min(lifetime.rekeyTime, lifetime.lifeTime);
  const most = Math.min(lifetime.rekeyOctets, lifetime.lifeOctets);
  return expectedRate === undefined ? byTime : Math.min(byTime, (most / expectedRate) * SECOND);
}

/** RFC 7296 §3.3.2: a transform of type 4 that is not NONE. */
function hasExchange({ proposals, sessionPfs }: ChildConfig): boolean {
  const KE = 4;
  return (
    sessionPfs === "main-mode-group" ||
    proposals.some(({ transforms }) => transforms.some(({ type, id }) => type === KE && id !== 0))
  );
}

export function capacityOf(load: Load, machine: Machine): Capacity {
  const { slots, pairsPerPeer, version, ikeLife, childLife, exchanges } = load;
  // Pairs that are there at once for each that carries traffic.
  const crowd = 1 + OVERLAP / Math.max(childLife, OVERLAP);
  const heapPerPair = COSTS.pair + COSTS.peer[version] / pairsPerPeer;
  const octetsPerPair = Math.ceil(crowd * 2 * (COSTS.row + COSTS.key) + heapPerPair);
  const millisPerPair =
    (exchanges ? COSTS.rekey.exchanged : COSTS.rekey.plain) / childLife + COSTS.ikeRekey / (ikeLife * pairsPerPeer);
  // Rows that nobody uses are pages that nobody touched.
  const room = Math.max(0, machine.memory - COSTS.gateway);
  const bounds: Bound[] = [
    {
      name: "memory",
      pairs: Math.floor(room / octetsPerPair),
      because: `${machine.memory} octets, ${COSTS.gateway} of them for the gateway itself, ${octetsPerPair} a pair`,
      remedy: "give it more memory",
    },
    {
      name: "slots",
      pairs: Math.floor(slots / 2 / crowd),
      because: `${slots} rows, two a pair, and those under rekey`,
      remedy: `say slots = ${Math.min(2 * slots, 2 ** 20)} in the section esplanade`,
    },
    {
      name: "heap",
      pairs: Math.floor(Math.max(0, machine.heap - COSTS.gateway / 2) / heapPerPair),
      because: `${machine.heap} octets of JavaScript's heap, ${Math.ceil(heapPerPair)} a pair`,
      remedy: "start it with NODE_OPTIONS=--max-old-space-size=MEGABYTES",
    },
    {
      name: "processor",
      pairs: millisPerPair > 0 ? Math.floor(PROCESSOR_PART / millisPerPair) : Number.MAX_SAFE_INTEGER,
      because: `half a processor for rekeys of ${exchanges ? COSTS.rekey.exchanged : COSTS.rekey.plain} ms, each pair every ${spanText(childLife)}`,
      remedy: "lengthen rekey_time, or raise rekey_bytes",
    },
  ];
  const sorted = bounds.toSorted((a, b) => a.pairs - b.pairs);
  const pairs = sorted[0]?.pairs ?? 0;
  return {
    load,
    octetsPerPair,
    rekeysPerSecond: pairs * (SECOND / childLife + SECOND / (ikeLife * pairsPerPeer)),
    processor: pairs * millisPerPair,
    bounds: sorted,
    pairs,
  };
}

/** "3600 s", "never". */
export function spanText(span: number): string {
  return Number.isFinite(span) ? `${Math.round(span / 100) / 10} s` : "never";
}
