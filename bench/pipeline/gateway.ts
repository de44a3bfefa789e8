/** One gateway's data plane over a BenchPort, with as many SAs as asked for. */

import { suiteIds } from "#config/suite";
import { addressOf, type Endpoint, type Prefix } from "#core/address";
import { type ChildSaSpec, type SaKeys, UNLIMITED } from "#core/child-sa-spec";
import { EVENT_COLUMNS, EventRing, LaneEvent } from "#core/event-ring";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import type { Policy } from "#core/policy";
import type { BatchCipher, InspectableCipher } from "#core/ports";
import { prefixSelector } from "#core/selector";
import { ROW_STRIDE, Row, TRAIN_COLUMNS, TRAINS, Train } from "#core/slab";
import { millis, type Spi } from "#core/units";
import type { Suite } from "#crypto/suite";
import { DataPlane } from "#gateway/data-plane";
import { allocateDropCounters, type LaneSocket } from "#gateway/lane-context";
import { LaneEngine } from "#gateway/lane-engine";
import { LaneMesh } from "#gateway/lane-mesh";
import { LanePolicies } from "#gateway/lane-policies";
import { systemRandom } from "#io/system-random";
import { SA_COLUMNS, SA_NUMBERS, Sa, SaNumber, SaTable } from "#ipsec/sa";
import { compileSpd } from "#ipsec/spd-compile";
import { BenchPort } from "./bench-port.ts";
import { Stage, type Stopwatch } from "./stopwatch.ts";
import { localWords, remoteWords } from "./traffic.ts";

export type CipherMaker = (memory: LaneMemory, slots: number) => InspectableCipher;

export interface KeyPair {
  readonly inbound: SaKeys;
  readonly outbound: SaKeys;
}

const SOCKETS: readonly LaneSocket[] = [{ kind: "udp", family: 4 }];
const PORT = 4500;

function addressFromWords(words: readonly number[]): ReturnType<typeof addressOf> {
  const octets = new Uint8Array(4 * words.length);
  const view = new DataView(octets.buffer);
  for (const [i, word] of words.entries()) view.setInt32(4 * i, word);
  return addressOf(octets);
}

export class BenchGateway {
  readonly port: BenchPort;
  readonly engine: LaneEngine;
  readonly memory: LaneMemory;
  readonly drops: Float64Array = allocateDropCounters();
  readonly cipher: InspectableCipher;
  readonly #plane: DataPlane;
  readonly #table: SaTable;
  readonly #events: EventRing = EventRing.allocate(4096);
  #inboundSlots: readonly number[] = [];
  readonly #now = 1000;

  constructor(makeCipher: CipherMaker, pairs: number, watch: Stopwatch) {
    const slots = slotsFor(pairs);
    this.memory = allocateLaneMemory(slots);
    this.#table = SaTable.allocate(slots);
    this.port = new BenchPort(this.memory, watch);
    this.port.onLap = () => this.#forgetReplays();
    this.cipher = makeCipher(this.memory, slots);
    this.engine = new LaneEngine({
      memory: this.memory,
      table: this.#table,
      cipher: timed(this.cipher, watch),
      port: this.port,
      sockets: SOCKETS,
      events: this.#events,
      ike: { take: () => false },
      drops: this.drops,
      policies: new LanePolicies({ table: compileSpd([], 1), formerIndex: [], answersFrom: [] }, systemRandom),
      mesh: LaneMesh.alone(),
    });
    const send = (command: Parameters<LaneEngine["command"]>[0]) => this.engine.command(command, this.#now);
    this.#plane = new DataPlane(this.#table, [{ sockets: SOCKETS, send }], systemRandom);
  }

  drawSpi(): Spi {
    return this.#plane.drawSpi(0);
  }

  /** One policy and one pair of SAs for each of `keys`, between `local` (last octet) and `remote`. */
  install(suite: Suite, keys: readonly KeyPair[], local: number, remote: number): void {
    const outer = (last: number) => ({ address: addressOf(Uint8Array.of(192, 0, 2, last)), port: PORT });
    const policies = keys.map((_, pair) => policyOf(pair, local < remote));
    this.#plane.setPolicies(policies);
    for (const [pair, { inbound, outbound }] of keys.entries()) {
      const policy = policies[pair];
      if (policy === undefined) continue;
      this.#plane.install(specOf(suite, policy, { inbound, outbound }, outer(local), outer(remote)), true);
    }
    for (let train = 0; train < TRAINS; train++) {
      const at = train * TRAIN_COLUMNS;
      this.memory.trains[at + Train.FAMILY] = 4;
      this.memory.trains[at + Train.PORT] = PORT;
      this.memory.trains[at + Train.ADDRESS] = (192 << 24) | (2 << 8) | remote;
      this.memory.trains[at + Train.LOCAL_ADDRESS] = (192 << 24) | (2 << 8) | local;
    }
    this.#inboundSlots = this.#plane.children.map((child) => child.inbound);
    this.#drainEvents();
  }

  /** Octets that the sealed rows of the last batch have in the slab. */
  datagrams(count: number): Uint8Array[] {
    const { out, slab } = this.memory;
    return Array.from({ length: count }, (_, i) => {
      const offset = out[i * ROW_STRIDE + Row.OFFSET] ?? 0;
      return slab.slice(offset, offset + (out[i * ROW_STRIDE + Row.LENGTH] ?? 0));
    });
  }

  outbound(): number {
    return this.engine.outboundStep(this.#now);
  }

  inbound(): number {
    return this.engine.inboundStep(0, this.#now);
  }

  /** Packets that were not sealed or not delivered, by whatever reason. */
  get dropped(): number {
    return this.drops.reduce((sum, count) => sum + count, 0);
  }

  /** The same sealed packets come again: each inbound SA is as new. */
  #forgetReplays(): void {
    const { columns, numbers, windows } = this.#table;
    for (const slot of this.#inboundSlots) {
      const offset = columns[slot * SA_COLUMNS + Sa.WINDOW_OFFSET] ?? 0;
      windows.fill(0, offset, offset + (columns[slot * SA_COLUMNS + Sa.WINDOW_WORDS] ?? 0));
      numbers[slot * SA_NUMBERS + SaNumber.SEQUENCE] = 0;
    }
  }

  #drainEvents(): void {
    const record = new Int32Array(EVENT_COLUMNS);
    while (this.#events.take(record)) if (record[0] === LaneEvent.DONE) this.#plane.done(record[2] ?? 0);
  }
}

/** A power of two with room for both directions of every pair. */
export function slotsFor(pairs: number): number {
  let slots = 256;
  while (slots < 2 * pairs) slots *= 2;
  return slots;
}

function timed(cipher: InspectableCipher, watch: Stopwatch): BatchCipher {
  return {
    provider: cipher.provider,
    install: (slot, key) => cipher.install(slot, key),
    remove: (slot) => cipher.remove(slot),
    seal(rows, count) {
      watch.lap(Stage.OUT_BEFORE);
      cipher.seal(rows, count);
      watch.lap(Stage.SEAL);
    },
    open(rows, count) {
      watch.lap(Stage.IN_BEFORE);
      cipher.open(rows, count);
      watch.lap(Stage.OPEN);
    },
  };
}

/** Selectors of both families; the side that is `near` has the local networks. */
function policyOf(pair: number, near: boolean): Policy {
  const ours = FAMILIES.map((family) => prefixSelector(prefixOf(localWords(family), family === 4 ? 16 : 32)));
  const theirs = FAMILIES.map((family) => prefixSelector(prefixOf(remoteWords(family, pair), family === 4 ? 24 : 48)));
  return {
    name: `pair-${pair}`,
    action: "protect",
    local: near ? ours : theirs,
    remote: near ? theirs : ours,
    source: undefined,
  };
}

const FAMILIES = [4, 6] as const;

function prefixOf(words: readonly number[], length: number): Prefix {
  return { address: addressFromWords(words), length };
}

/** Configuration's defaults (docs/configuration.md). */
function specOf(suite: Suite, policy: Policy, keys: KeyPair, local: Endpoint, remote: Endpoint): ChildSaSpec {
  return {
    policy: policy.name,
    lane: 0,
    protocol: "esp",
    mode: "tunnel",
    suite: suiteIds(suite),
    ...keys,
    encapsulation: "udp",
    local,
    remote,
    localSelectors: policy.local,
    remoteSelectors: policy.remote,
    esn: true,
    replayWindow: 2048,
    lifetime: UNLIMITED,
    dscp: "copy",
    ecn: true,
    df: "copy",
    fragmentation: "before",
    pathMtu: 1500,
    tfcLength: 0,
    mssClamp: -1,
    keepaliveInterval: millis(0),
    outerAh: undefined,
  };
}
