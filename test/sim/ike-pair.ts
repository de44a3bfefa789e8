/**
 * IKE engines on a virtual clock, joined by a virtual network: delay, loss, duplicates, reordering and NAT, all from one
 * seed. Each node carries out its engine's effects as a data plane and a director would, and keeps books on all of it.
 */
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import { addressToString, compareAddresses, type Endpoint, type IpAddress, parseAddress } from "#core/address";
import type { IkeConfig } from "#core/connection";
import { assert } from "#core/errors";
import type { Job, JobResult } from "#core/ike-job";
import type { IkeReport, IkeSaSnapshot, IkeSnapshot } from "#core/ike-state";
import { type Millis, millis, type Spi, spi } from "#core/units";
import { runJob } from "#crypto/ike-jobs";
import { portableKeyExchange } from "#crypto/key-agreement";
import { keyExchangeById } from "#crypto/key-exchange";
import { wipe } from "#crypto/octets";
import type { EndCause, IkeEffect, IkeInput, NegotiatedChild, Outbound } from "#ike/effects";
import { IkeEngine, type IkeEngineOptions } from "#ike/engine";
import { type FrozenIke, wipeFrozen } from "#ike/frozen";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag, nameOf } from "#wire/ike/numbers";
import { seededRandom } from "./gateway-pair.ts";

export interface Datagram {
  readonly octets: Uint8Array;
  readonly from: Endpoint;
  readonly to: Endpoint;
}

/** How the network treats datagrams; times in milliseconds. */
export interface Weather {
  readonly delay: readonly [least: number, most: number];
  /** 0–1. */
  readonly loss: number;
  readonly duplicates: number;
}

export const FAIR: Weather = { delay: [10, 10], loss: 0, duplicates: 0 };

export interface SimOptions {
  readonly seed: number;
  readonly weather?: Weather;
  /** "real": crypto/ike-jobs.ts; "cheap": an exclusive or instead of key exchanges, for many schedules. */
  readonly jobs?: "real" | "cheap";
  /** From a job's start to its result. */
  readonly jobTime?: readonly [least: number, most: number];
  /** From the installation of a rekeyed pair of ours to its use, and from there to the delete of the former. */
  readonly switchAfter?: readonly [least: number, most: number];
  readonly engine?: IkeEngineOptions;
  /** Gateways change their addresses: what leaves from one they no longer have is lost. */
  readonly roaming?: boolean;
}

/** Who looks on: traces, and what acts on what a node does. */
export interface SimObserver {
  readonly given?: (node: IkeNode, input: IkeInput) => void;
  /** After it was carried out. */
  readonly done?: (node: IkeNode, effect: IkeEffect) => void;
  /** Another process has the node's engine now: what the former one held is gone with it. */
  readonly thawed?: (node: IkeNode) => void;
  /** `arrivals`: how many of it the network carries. */
  readonly carried?: (node: IkeNode, datagram: Datagram, arrivals: number) => void;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface InstalledPair {
  readonly child: NegotiatedChild;
  /** We send on it. */
  outbound: boolean;
}

export function endpoint(address: string, port: number): Endpoint {
  const parsed = parseAddress(address);
  assert(parsed !== undefined, address);
  return { address: parsed, port };
}

/** "IKE_AUTH request 1", for the assertions of exchange tests. */
export function describe(datagram: Datagram): string {
  const { exchangeType, flags, messageId } = decodeHeader(datagram.octets);
  const way = (flags & IkeFlag.RESPONSE) !== 0 ? "response" : "request";
  return `${nameOf(ExchangeType, exchangeType)} ${way} ${messageId}`;
}

export class IkeNode {
  readonly name: string;
  address: IpAddress;
  readonly reports: IkeReport[] = [];
  readonly installed: Map<number, InstalledPair> = new Map();
  /** Of pairs that were removed, in order. */
  readonly ends: EndCause[] = [];
  /** Drawn and neither installed nor given back. */
  readonly loose: Set<Spi> = new Set();
  readonly #sim: IkeSim;
  readonly #options: IkeEngineOptions;
  #engine: IkeEngine;
  /** By which the next process is configured too. */
  #config: IkeConfig | undefined;
  /** What comes while no process has the engine waits in the kernel. */
  #waiting: IkeInput[] | undefined;
  /** Which pairs took over from one. */
  readonly #heirs = new Map<number, number[]>();
  #lastSpi: number;
  #alive = true;

  constructor(sim: IkeSim, name: string, address: IpAddress, number: number, options: IkeEngineOptions) {
    this.name = name;
    this.address = address;
    this.#sim = sim;
    this.#lastSpi = number * 0x10_0000;
    this.#options = options;
    this.#engine = this.#newEngine();
  }

  #newEngine(): IkeEngine {
    const spis = { draw: () => this.#draw(), giveBack: (value: Spi) => this.#giveBack(value) };
    return new IkeEngine({ random: this.#sim.random, spis }, this.#options);
  }

  get engine(): IkeEngine {
    return this.#engine;
  }

  #draw(): Spi {
    const value = spi(++this.#lastSpi);
    this.loose.add(value);
    return value;
  }

  #giveBack(value: Spi): void {
    assert(this.loose.delete(value), `${this.name} gives back an SPI that is not loose`);
  }

  give(input: IkeInput): void {
    if (!this.#alive) return;
    if (this.#waiting !== undefined) {
      this.#waiting.push(input);
      return;
    }
    if (input.kind === "configure") this.#config = input.config;
    const { observers } = this.#sim;
    for (const { given } of observers) given?.(this, input);
    for (const effect of this.engine.handle(input, this.#sim.now)) {
      this.#carryOut(effect);
      for (const { done } of observers) done?.(this, effect);
    }
  }

  /**
   * Another process takes the engine over: what the former one wrote is read so long after it. The former one has to be settled,
   * and does nothing more.
   */
  upgrade(away: number): void {
    const { engine } = this;
    assert(engine.unsettled === 0, `${this.name} is frozen with ${engine.unsettled} IKE SAs that are not settled`);
    const before = engine.snapshot();
    const frozen = engine.freeze();
    const written = serialize(frozen);
    wipeFrozen(frozen);
    this.#waiting = [];
    this.#sim.after([away, away], () => {
      if (this.#alive) this.#thaw(written, before);
    });
  }

  #thaw(written: Uint8Array, before: IkeSnapshot): void {
    const fresh = this.#newEngine();
    if (this.#config !== undefined) fresh.handle({ kind: "configure", config: this.#config }, this.now);
    const frozen: FrozenIke = deserialize(written);
    fresh.thaw(frozen, this.now);
    wipeFrozen(frozen);
    this.#engine = fresh;
    assert(
      isDeepStrictEqual(carried(fresh.snapshot(), frozen), carried(before, frozen)),
      `${this.name} is another one after it was thawed`,
    );
    for (const { thawed } of this.#sim.observers) thawed?.(this);
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const input of waiting) this.give(input);
  }

  /** No process has the engine. */
  get isAway(): boolean {
    return this.#waiting !== undefined;
  }

  get nextTimeout(): Millis | undefined {
    return this.#waiting === undefined ? this.engine.nextTimeout : undefined;
  }

  /** See `IkeSim.kill`. */
  kill(): void {
    this.#alive = false;
  }

  /** The pair that took over from this one is there, or one that took over from that one. */
  #isSucceeded(former: number): boolean {
    return (this.#heirs.get(former) ?? []).some((heir) => this.installed.has(heir) || this.#isSucceeded(heir));
  }

  /** The simulation's clock. */
  get now(): Millis {
    return this.#sim.now;
  }

  get alive(): boolean {
    return this.#alive;
  }

  configure(config: IkeConfig): void {
    this.give({ kind: "configure", config });
  }

  #carryOut(effect: IkeEffect): void {
    switch (effect.kind) {
      case "send":
        this.#sim.send(this, { octets: effect.octets, from: effect.local, to: effect.remote });
        return;
      case "compute":
        this.#sim.compute(this, effect.job, effect.work);
        return;
      case "report":
        this.reports.push(effect.report);
        return;
      case "install-child-sa":
        this.#install(effect.child, effect.outbound);
        return;
      case "confirm-child-sa": {
        const child = this.installed.get(effect.id)?.child;
        assert(child?.replaces !== undefined, `${this.name} confirms what replaces nothing`);
        this.#switchOver(child, child.replaces);
        return;
      }
      case "use-child-sa": {
        const pair = this.installed.get(effect.id);
        assert(pair !== undefined, `${this.name} uses a pair that is not installed`);
        pair.outbound = true;
        return;
      }
      case "remove-child-sa":
        this.ends.push(effect.cause);
        assert(this.installed.delete(effect.id), `${this.name} removes a pair that is not installed`);
        return;
      case "move-child-sa": {
        const pair = this.installed.get(effect.id);
        assert(pair !== undefined, `${this.name} moves a pair that is not installed`);
        const { local, remote, encapsulation, behindNat } = effect;
        const child = { ...pair.child, local, remote, encapsulation, behindNat };
        this.installed.set(effect.id, { ...pair, child });
        return;
      }
      default:
        effect satisfies never;
    }
  }

  #install(child: NegotiatedChild, outbound: Outbound): void {
    for (const { spi: own } of [child.inbound, child.outerAh?.inbound].filter((sa) => sa !== undefined))
      assert(this.loose.delete(own), `${this.name} installs an SPI that is not loose`);
    for (const other of this.installed.values())
      assert(other.child.inbound.spi !== child.inbound.spi, `${this.name} has two SAs of one SPI`);
    this.installed.set(child.id, { child, outbound: outbound === "use" });
    if (child.replaces !== undefined)
      this.#heirs.set(child.replaces, [...(this.#heirs.get(child.replaces) ?? []), child.id]);
    if ((outbound === "later" || outbound === "when-settled") && child.initiator && child.replaces !== undefined)
      this.#switchOver(child, child.replaces);
  }

  /** What the rekey director does: sends on the new pair, and has the former one deleted. */
  #switchOver(child: NegotiatedChild, former: number): void {
    this.#sim.after(this.#sim.options.switchAfter ?? [5, 20], () => {
      if (!this.#alive || !this.#isSucceeded(former)) return;
      const pair = this.installed.get(child.id);
      if (pair !== undefined) {
        pair.outbound = true;
        this.#sim.packet(this, child);
      }
      this.give({ kind: "delete-child", id: former, reason: "rekeyed" });
    });
  }

  /** Established, current ones. */
  get sas(): readonly IkeSaSnapshot[] {
    return this.engine.snapshot().sas;
  }

  get children(): readonly NegotiatedChild[] {
    return [...this.installed.values()].map(({ child }) => child);
  }

  counter(name: string): number {
    return this.engine.snapshot().counters[name] ?? 0;
  }

  reportsOf<Kind extends IkeReport["kind"]>(kind: Kind): Extract<IkeReport, { readonly kind: Kind }>[] {
    return this.reports.filter((report): report is Extract<IkeReport, { readonly kind: Kind }> => report.kind === kind);
  }
}

export class IkeSim {
  readonly options: SimOptions;
  readonly random: ReturnType<typeof seededRandom>;
  readonly #fate: ReturnType<typeof seededRandom>;
  readonly #nodes: IkeNode[] = [];
  #events: Event[] = [];
  #order = 0;
  #born = 0;
  now: Millis = millis(1_000_000);
  weather: Weather;
  /** Datagrams wait here until `deliver`; undefined = the network carries them itself. */
  held: Datagram[] | undefined = undefined;
  /** Everything that was sent, also what was lost. */
  readonly sent: Datagram[] = [];
  readonly observers: SimObserver[] = [];
  /** NAT boxes and the like: what becomes of a datagram; undefined = it is lost. */
  translate: (datagram: Datagram) => Datagram | undefined = (datagram) => datagram;

  constructor(options: SimOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.#fate = seededRandom(options.seed ^ 0x5bd1e995);
    this.weather = options.weather ?? FAIR;
  }

  node(name: string, address: string): IkeNode {
    this.#born += 1;
    const node = new IkeNode(this, name, endpoint(address, 0).address, this.#born, this.options.engine ?? {});
    this.#nodes.push(node);
    return node;
  }

  /** The node is at another address from now on. */
  move(node: IkeNode, address: string): void {
    node.address = endpoint(address, 0).address;
  }

  /** The process of this node dies without a word; whatever was under way to it is lost. */
  kill(node: IkeNode): void {
    this.#nodes.splice(this.#nodes.indexOf(node), 1);
    node.kill();
  }

  /** The process of this node dies and another takes its place: nothing is remembered. */
  restart(node: IkeNode): IkeNode {
    if (node.alive) this.kill(node);
    this.#born += 1;
    const fresh = new IkeNode(this, node.name, node.address, this.#born, this.options.engine ?? {});
    this.#nodes.push(fresh);
    return fresh;
  }

  get nodes(): readonly IkeNode[] {
    return this.#nodes;
  }

  /** 0 up to but not with 1. */
  chance(): number {
    return this.#fate.next() / 2 ** 32;
  }

  between([least, most]: readonly [number, number]): number {
    return least + Math.floor(this.chance() * (most - least + 1));
  }

  after(span: readonly [number, number], run: () => void): void {
    this.#events.push({ at: this.now + this.between(span), order: this.#order++, run });
  }

  send(node: IkeNode, datagram: Datagram): void {
    this.sent.push(datagram);
    const isOwn = compareAddresses(datagram.from.address, node.address) === 0;
    assert(isOwn || this.options.roaming === true, `${node.name} sends from ${addressToString(datagram.from.address)}`);
    if (!isOwn) return;
    const carried = this.translate(datagram);
    if (carried === undefined) return;
    if (this.held !== undefined) {
      this.held.push(carried);
      return;
    }
    const copies = this.chance() < this.weather.duplicates ? 2 : 1;
    let arrivals = 0;
    for (let copy = 0; copy < copies; copy++) {
      if (this.chance() < this.weather.loss) continue;
      arrivals += 1;
      this.after(this.weather.delay, () => this.arrive(carried));
    }
    for (const { carried: tell } of this.observers) tell?.(node, carried, arrivals);
  }

  arrive({ octets, from, to }: Datagram): void {
    const node = this.#nodes.find(({ address }) => compareAddresses(address, to.address) === 0);
    node?.give({ kind: "datagram", octets: octets.slice(), local: to, remote: from });
  }

  /** Hands over the first held datagram for this node, and what jobs it made; its description. */
  deliver(node: IkeNode): string {
    const held = this.held ?? [];
    const index = held.findIndex(({ to }) => compareAddresses(to.address, node.address) === 0);
    const [datagram] = index < 0 ? [] : held.splice(index, 1);
    assert(datagram !== undefined, `nothing is under way to ${node.name}`);
    this.arrive(datagram);
    this.runJobs();
    return describe(datagram);
  }

  /** What was held goes its way after all. */
  deliverHeld(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const datagram of held) this.arrive(datagram);
  }

  /** Runs what is due now: with held datagrams that is jobs and nothing else. */
  runJobs(): void {
    this.drive(this.now);
  }

  compute(node: IkeNode, job: number, work: Job): void {
    const result = this.options.jobs === "cheap" ? this.#cheap(work) : this.#real(work);
    this.after(this.options.jobTime ?? [0, 0], () => node.give({ kind: "computed", job, result }));
  }

  #real(work: Job): JobResult {
    return runJob(work, { random: this.random, wallClock: WALL_CLOCK, keyExchange: portableKeyExchange });
  }

  /** Key exchange by exclusive or: both sides come to the same secret, and nothing is computed. */
  #cheap(work: Job): JobResult {
    const fresh = (length: number) => {
      const octets = new Uint8Array(length);
      this.random.fill(octets);
      return octets;
    };
    switch (work.kind) {
      case "ke-generate": {
        const privateKey = fresh(keyExchangeById(work.method)?.initiatorOctets ?? 32);
        return { kind: "ke-generate", privateKey, publicKey: privateKey.slice() };
      }
      case "ke-agree": {
        const shared = xor(work.privateKey, work.publicKey);
        wipe(work.privateKey);
        return { kind: "ke-agree", shared };
      }
      case "ke-respond": {
        const publicKey = fresh(work.publicKey.length);
        return { kind: "ke-respond", publicKey, shared: xor(publicKey, work.publicKey) };
      }
      default:
        return this.#real(work);
    }
  }

  /** A data packet on this pair, straight to whoever has its inbound SA. */
  packet(from: IkeNode, child: NegotiatedChild): void {
    const { spi: wanted } = child.outbound;
    for (const node of this.#nodes) {
      if (node === from) continue;
      this.after(this.weather.delay, () => {
        for (const other of node.children)
          if (other.inbound.spi === wanted) node.give({ kind: "first-packet", id: other.id });
      });
    }
  }

  /** Jumps from deadline to deadline until nothing is left or this time is reached. */
  drive(until: number): void {
    for (let steps = 0; ; steps++) {
      assert(steps < 1_000_000, "the simulation does not come to rest");
      const event = this.#firstEvent();
      const timer = this.#firstTimer();
      const at = Math.min(event?.at ?? Number.POSITIVE_INFINITY, timer?.at ?? Number.POSITIVE_INFINITY);
      if (at > until || at === Number.POSITIVE_INFINITY) break;
      this.now = millis(Math.max(this.now, at));
      if (event !== undefined && event.at === at) {
        this.#events = this.#events.filter((other) => other !== event);
        event.run();
      } else timer?.node.give({ kind: "timeout" });
    }
    if (Number.isFinite(until)) this.now = millis(Math.max(this.now, until));
  }

  driveFor(span: number): void {
    this.drive(this.now + span);
  }

  #firstEvent(): Event | undefined {
    let first: Event | undefined;
    for (const event of this.#events)
      if (first === undefined || event.at < first.at || (event.at === first.at && event.order < first.order))
        first = event;
    return first;
  }

  #firstTimer(): { readonly node: IkeNode; readonly at: number } | undefined {
    let first: { readonly node: IkeNode; readonly at: number } | undefined;
    for (const node of this.#nodes) {
      const at = node.nextTimeout;
      if (at !== undefined && (first === undefined || at < first.at)) first = { node, at };
    }
    return first;
  }

  /** Datagrams and jobs under way. */
  get pending(): number {
    return this.#events.length;
  }
}

/** What has to be the same in another process; reauthentications that were being set up begin again. */
function carried({ sas, counters }: IkeSnapshot, { v2 }: FrozenIke): unknown {
  const established = sas.filter(({ state }) => state !== "connecting");
  const again = v2.interrupted.length > 0;
  return { counters, sas: established.map((sa) => ({ ...sa, reauthAt: again ? undefined : sa.reauthAt })) };
}

/** 2026-06-01. */
export const WALL_CLOCK = 1_780_272_000_000;

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((octet, i) => octet ^ (b[i] ?? 0));
}
