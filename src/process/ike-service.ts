/**
 * IKE in the gateway process: gives `IkeControl` what sockets, lanes, workers, names, timers and operators have to say, and
 * carries out what it wants. All of it on the control thread, one input at a time.
 */
import { addressFromWords, addressToString, type Endpoint, type IpAddress } from "#core/address";
import type { IkeConfig } from "#core/connection";
import type { GatewayDetails } from "#core/details";
import { assert } from "#core/errors";
import { LaneEvent } from "#core/event-ring";
import type { IkeReport } from "#core/ike-state";
import type { KeyWatch } from "#core/key-watch";
import type { GatewayConfig, Policy } from "#core/policy";
import type { Clock, RandomSource } from "#core/ports";
import { sameValue } from "#core/same-value";
import { Train } from "#core/slab";
import { type Unreachable, unreachableReason } from "#core/unreachable";
import type { ChildReading } from "#gateway/child-readings";
import type {
  ControlEffect,
  ControlInput,
  ControlOutcome,
  ControlSummary,
  ControlTarget,
  IkePort,
  ShownTunnel,
  TunnelSnapshot,
} from "#gateway/control-doors";
import type { ControlState } from "#gateway/control-state";
import type { DataPlane } from "#gateway/data-plane";
import { IkeControl } from "#gateway/ike-control";
import { MessageCounts, type MessageCountsState, type MessageTable } from "#gateway/message-counts";
import type { IkeWorld } from "#ike/effects";
import { endpointsOfTrain, type IkeListener, wayTo } from "#io/ike-socket";
import { listHostAddresses } from "#io/links";
import { NameLookup } from "#io/name-lookup";
import { NetworkChanges } from "#io/network-changes";
import { type IkeDatagram, IkeInbox } from "./ike-inbox.ts";
import { type IkePortCounters, IkePorts, type IkePortsState } from "./ike-ports.ts";
import type { OpenIkePort } from "./inherited.ts";
import { type JobCounters, JobPool } from "./job-pool.ts";
import type { LaneListen } from "./lane-set.ts";
import type { Opened } from "./opened.ts";
import type { RecentWays } from "./recent-ways.ts";
import { Settling } from "./settling.ts";
import { UpdownPrograms } from "./updown.ts";

/** What peers and operators get to finish their goodbyes, in milliseconds. */
const GOODBYE = 1000;
/** Longest span of one timer. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** Ethernet's, where the kernel knows no way yet. */
const DEFAULT_PATH_MTU = 1500;
/** RFC 7296 §2. */
const IKE_PORT = 500;

export interface IkeServiceParts {
  readonly config: GatewayConfig;
  readonly ike: IkeConfig;
  readonly plane: DataPlane;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly mark: number;
  readonly ways: RecentWays;
  readonly tunName: string;
  readonly makeEngine: (world: IkeWorld) => IkePort;
  readonly keys: KeyWatch | undefined;
  /** What the lanes listen on, in the order of their sockets. */
  readonly lanes: readonly LaneListen[];
  /** A process before this one had them, and what it did is told by `thaw` in place of `start`. */
  readonly inherited: readonly OpenIkePort[] | undefined;
  /** The policies are these now: routes and guards follow. */
  policies(policies: readonly Policy[]): void;
  report(report: IkeReport): void;
  warn(text: string): void;
}

export interface IkeServiceSummary extends ControlSummary {
  readonly jobs: JobCounters;
  /** Messages that came and found no room are `dropped`. */
  readonly ports: IkePortCounters;
  readonly messages: MessageTable;
}

export interface IkeServiceSnapshot extends IkeServiceSummary {
  readonly tunnels: readonly TunnelSnapshot[];
}

/** With keys. */
export interface IkeServiceState {
  readonly control: ControlState;
  readonly messages: MessageCountsState;
  readonly jobs: JobCounters;
  readonly ports: IkePortsState;
  /** Of this host, as control knows them. */
  readonly addresses: readonly Endpoint[];
  /** What came when nothing was taken any more. */
  readonly inputs: readonly ControlInput[];
  readonly datagrams: readonly IkeDatagram[];
}

export class IkeService {
  readonly #parts: IkeServiceParts;
  #ike: IkeConfig;
  readonly #control: IkeControl;
  readonly #inbox: IkeInbox;
  readonly #ports: IkePorts;
  readonly #jobs = new JobPool();
  readonly #names: NameLookup;
  readonly #updown: UpdownPrograms;
  readonly #messages = new MessageCounts();
  readonly #inputs: ControlInput[] = [];
  readonly #commands = new Map<number, (outcome: ControlOutcome) => void>();
  #commandIds = 0;
  #running = false;
  #settles = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  /** When it fires; it may be too early, never too late. */
  #timerAt = Number.POSITIVE_INFINITY;
  #addresses: readonly Endpoint[] = [];
  /** Why control takes nothing now; what comes waits. */
  #standing: boolean;
  #settling: Settling | undefined;
  #drained: (() => void) | undefined;

  /** Opens sockets; nothing is sent before `start`. Throws SystemError; what is open is in `opened`. */
  constructor(parts: IkeServiceParts, opened: Opened) {
    this.#parts = parts;
    this.#ike = parts.ike;
    const { clock, random, plane } = parts;
    opened.add(() => this.#close());
    this.#updown = new UpdownPrograms((text) => parts.warn(text));
    this.#names = new NameLookup((name, addresses) => this.#give({ kind: "resolved", name, addresses }));
    this.#inbox = new IkeInbox((arrival) => this.#give(arrival), clock, setImmediate);
    const listener: IkeListener = {
      datagram: (octets, local, remote) => this.#inbox.offer({ octets, local, remote }),
      unreachable: (remote, reason) => this.#give({ kind: "unreachable", remote, reason }),
    };
    this.#standing = parts.inherited !== undefined;
    if (this.#standing) this.#inbox.pause();
    this.#ports = new IkePorts(parts.ike, parts.lanes, parts.mark, listener, opened, parts.inherited);
    const { keys } = parts;
    const engine = parts.makeEngine({ random, spis: plane.spis, keys });
    this.#control = new IkeControl({ engine, plane, random, keys, pathMtu: ({ address }) => this.#pathMtu(address) });
    const changes = new NetworkChanges(() => {
      parts.ways.forget();
      this.#tellAddresses();
    });
    opened.add(() => changes[Symbol.dispose]());
  }

  /** The policies of the configuration take effect, and what is to start starts. */
  start(): void {
    this.#jobs.prepare();
    this.#tellAddresses();
    this.configure(this.#parts.ike, this.#parts.config.policies);
  }

  /** No exchange of ours begins any more; when nothing is under way that a state cannot carry, nothing is taken any more. */
  rest(): Promise<void> {
    this.#settling = new Settling({
      busy: (patient) => this.#busy(patient),
      settled: () => {
        this.#standing = true;
        this.#stopTimer();
        this.#inbox.pause();
        this.#ports.listen(false);
      },
    });
    void this.#updown.idle().then(() => this.#settleSoon());
    this.#give({ kind: "hold" });
    return this.#settling.done;
  }

  #busy(patient: boolean): string | undefined {
    const why = this.#control.unsettled;
    if (why !== undefined) return why;
    if (!this.#updown.isIdle) return "programs that are told of tunnels (updown) have not ended; try again";
    const left = this.#control.settingUp;
    if (patient && left > 0) return `${left} IKE SAs are being set up`;
    return patient && !this.#jobs.isIdle ? "key exchanges are being computed" : undefined;
  }

  /** While nothing is taken; changes nothing. Keys in it are the caller's to wipe. */
  freeze(): IkeServiceState {
    assert(this.#standing, "only what stands still is handed over");
    return {
      control: this.#control.freeze(),
      messages: this.#messages.freeze(),
      jobs: this.#jobs.counters,
      ports: this.#ports.freeze(),
      addresses: this.#addresses,
      // Whoever asked for other things asks again, of the process that goes on.
      inputs: this.#inputs.filter(({ kind }) => kind === "event" || kind === "unreachable"),
      datagrams: this.#inbox.waiting,
    };
  }

  /** In place of `start`, when the data plane has its SAs; nothing begins before `resume`. Keys stay the caller's to wipe. */
  thaw({ control, messages, jobs, ports, addresses, inputs, datagrams }: IkeServiceState): void {
    assert(this.#standing, "nothing has begun yet");
    this.#jobs.prepare();
    this.#messages.thaw(messages);
    this.#jobs.thaw(jobs);
    this.#ports.thaw(ports);
    this.#inputs.push(...inputs);
    for (const datagram of datagrams) this.#inbox.offer(datagram);
    const now = this.#parts.clock.now();
    this.#addresses = addresses;
    const { ike, config } = this.#parts;
    const policies = withoutChildren(ike, config.policies);
    this.#control.thaw(control, { ike, policies, addresses }, now);
  }

  /** All that waits is taken. Harmless where nothing stands still. */
  resume(): void {
    const held = this.#settling !== undefined;
    if (!held && !this.#standing) return;
    this.#settling?.stop("it is to go on");
    this.#settling = undefined;
    this.#standing = false;
    this.#ports.listen(true);
    this.#inbox.resume();
    // First what begins what waited, then what came.
    this.#inputs.unshift({ kind: held ? "release" : "timeout" });
    this.#takeInputs();
    this.#tellAddresses();
  }

  /** The open ports of IKE, for a process that goes on with them. */
  get openPorts(): readonly OpenIkePort[] {
    return this.#ports.open;
  }

  /** `policies`: all of a configuration. Those of children are control's to make, with the addresses it learns. */
  configure(ike: IkeConfig, policies: readonly Policy[]): void {
    this.#ike = ike;
    this.#give({ kind: "configure", ike, policies: withoutChildren(ike, policies) });
  }

  /** Ports that another configuration needs besides; the returned function closes them again. Throws SystemError. */
  extendPorts(ike: IkeConfig): () => void {
    return this.#ports.extend(ike);
  }

  /** Another configuration takes the place of the running one; its ports are open. */
  reconfigure(ike: IkeConfig, policies: readonly Policy[]): void {
    this.configure(ike, policies);
    this.#tellAddresses();
    this.#ports.reduce(ike);
  }

  /** A record of a lane's event ring; valid during the call. */
  laneEvent(lane: number, record: Int32Array): void {
    if (record[0] !== LaneEvent.IKE_UNREACHABLE) {
      this.#give({ kind: "event", lane, record });
      return;
    }
    const [, , refused, family, port = 0] = record;
    const address = addressFromWords(family === 6 ? 6 : 4, record, 5);
    this.#give({ kind: "unreachable", remote: { address, port }, reason: refused === 1 ? "refused" : "unreachable" });
  }

  /** An IKE message that came to a port of the lanes. */
  laneDatagram(octets: Uint8Array, train: Int32Array): void {
    const port = this.#parts.lanes[train[Train.SOCKET] ?? -1]?.endpoint.port;
    if (port === undefined) return;
    this.#inbox.offer({ octets, ...endpointsOfTrain(train, 0, port) });
  }

  initiate(target: ControlTarget): Promise<ControlOutcome> {
    return this.#command((command) => ({ kind: "initiate", command, target }));
  }

  terminate(target: ControlTarget): Promise<ControlOutcome> {
    return this.#command((command) => ({ kind: "terminate", command, target }));
  }

  allowClear(target: ControlTarget): Promise<ControlOutcome> {
    return this.#command((command) => ({ kind: "allow-clear", command, target }));
  }

  rekey(target: ControlTarget, reauthenticate: boolean): Promise<ControlOutcome> {
    return this.#command((command) => ({ kind: "rekey", command, target, reauthenticate }));
  }

  /** Whether packets may start these children. */
  trap(target: ControlTarget, on: boolean): Promise<ControlOutcome> {
    return this.#command((command) => ({ kind: "trap", command, target, on }));
  }

  /** Pair by pair. */
  details(): GatewayDetails {
    const { sas, halfOpen } = this.#control.view.summary().ike;
    return { now: this.#parts.clock.now(), sas, halfOpen, ...this.#control.view.details() };
  }

  /** Messages of IKEv2 by exchange, direction and whether they ask: "ike_auth-out-req" → count. */
  get exchanges(): ReadonlyMap<string, number> {
    return this.#messages.exchanges;
  }

  snapshot(): IkeServiceSnapshot {
    return { ...this.summary(), tunnels: this.#control.view.tunnels() };
  }

  tunnelNames(): readonly { readonly connection: string; readonly child: string }[] {
    return this.#control.view.tunnelNames();
  }

  /** One after the other: whoever looks may pause between two. */
  shownTunnels(): Generator<ShownTunnel> {
    return this.#control.view.shownTunnels();
  }

  /** Without a look at each tunnel. */
  summary(): IkeServiceSummary {
    const { sent, sendFailed, dropped } = this.#ports.counters;
    return {
      ...this.#control.view.summary(),
      jobs: this.#jobs.counters,
      ports: { sent, sendFailed, dropped },
      messages: this.#messages.table,
    };
  }

  /** Each configured child, one after the other; counters never fall. */
  readings(): Generator<ChildReading> {
    return this.#control.view.readings();
  }

  /** Peers are told that their SAs go, and programs that their tunnels went; neither for longer than a second. */
  async sayGoodbye(): Promise<void> {
    const { sas } = this.#control.view.summary().ike;
    const gone = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    for (const { id } of sas) void this.terminate({ kind: "ike-id", id });
    this.#tellDrained();
    let limit: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, GOODBYE);
    });
    await Promise.race([gone.then(() => this.#updown.idle()), late]);
    clearTimeout(limit);
  }

  #command(input: (command: number) => ControlInput): Promise<ControlOutcome> {
    if (this.#standing || this.#settling !== undefined)
      return Promise.resolve({ kind: "failed", why: "an upgrade is under way; ask again when it is over" });
    const command = ++this.#commandIds;
    return new Promise((resolve) => {
      this.#commands.set(command, resolve);
      this.#give(input(command));
    });
  }

  /** Inputs that come while another is under way wait for their turn; an event's record would not wait. */
  #give(input: ControlInput): void {
    if (this.#closed) return;
    if (input.kind === "datagram") this.#messages.received(input.octets);
    const waits = this.#running || this.#standing;
    this.#inputs.push(input.kind === "event" && waits ? { ...input, record: input.record.slice() } : input);
    if (!waits) this.#takeInputs();
  }

  #takeInputs(): void {
    this.#running = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift())
        for (const effect of this.#control.handle(next, this.#parts.clock.now())) this.#carryOut(effect);
    } finally {
      this.#running = false;
    }
    this.#settleSoon();
  }

  /** Once for all inputs of this callback of the event loop. */
  #settleSoon(): void {
    if (this.#settles) return;
    this.#settles = true;
    queueMicrotask(() => {
      this.#settles = false;
      this.#setTimer();
      this.#settling?.look();
      this.#tellDrained();
    });
  }

  #carryOut(effect: ControlEffect): void {
    switch (effect.kind) {
      case "send": {
        const { octets, local, remote } = effect;
        this.#messages.sent(octets);
        const reason = refusal(this.#ports.send(octets, local, remote));
        if (reason !== undefined) this.#give({ kind: "unreachable", remote, reason });
        return;
      }
      case "compute":
        this.#jobs.submit(effect.work, (result) => this.#inbox.computed(effect.job, result));
        return;
      case "report":
        this.#parts.report(effect.report);
        return;
      case "policies":
        this.#parts.policies(effect.policies);
        return;
      case "resolve":
        this.#names.ask(effect.name);
        return;
      case "tunnel":
        this.#tellProgram(effect);
        return;
      case "done":
        this.#commands.get(effect.command)?.(effect.outcome);
        this.#commands.delete(effect.command);
        return;
      default:
        effect satisfies never;
    }
  }

  #tellProgram(news: Extract<ControlEffect, { kind: "tunnel" }>): void {
    const { updown } = news;
    if (updown === undefined) return;
    const sa = this.#control.view.summary().ike.sas.find(({ connection }) => connection === news.connection);
    this.#updown.tell(
      { ...news, updown },
      {
        interface: this.#parts.tunName,
        localIdentity: sa?.localIdentity ?? addressToString(news.local.address),
        remoteIdentity: sa?.remoteIdentity ?? addressToString(news.remote.address),
      },
    );
  }

  #setTimer(): void {
    const at = this.#control.nextTimeout;
    // Nearly every input moves deadlines away: then the timer stays.
    if (at === undefined || at >= this.#timerAt || this.#closed || this.#standing) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const span = Math.min(LONGEST_TIMER, Math.max(0, Math.ceil(at - this.#parts.clock.now())));
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#give({ kind: "timeout" });
    }, span);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  /** First the addresses that peers are spoken to from, then the others that IKE's ports have. */
  #tellAddresses(): void {
    const towards = this.#ike.connections
      .flatMap(({ remoteAddresses }) => remoteAddresses)
      .map((host) => (host.kind === "address" ? this.#parts.ways.to(host.address)?.source : undefined))
      .filter((address) => address !== undefined);
    const own = [...towards, ...listHostAddresses()];
    const unique = new Map(own.map((address) => [addressToString(address), address]));
    const local = [...unique.values()].map((address): Endpoint => ({ address, port: IKE_PORT }));
    if (sameValue(local, this.#addresses)) return;
    this.#addresses = local;
    this.#give({ kind: "addresses", local });
  }

  #pathMtu(remote: IpAddress): number {
    return wayTo(remote, this.#parts.mark)?.mtu ?? DEFAULT_PATH_MTU;
  }

  #tellDrained(): void {
    if (this.#drained !== undefined && this.#control.view.summary().ike.sas.length === 0) this.#drained();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#settling?.stop("the gateway stops");
    clearTimeout(this.#timer);
    this.#inbox.close();
    this.#names.close();
    const why = this.#standing ? "another process goes on with the gateway; ask again" : "the gateway stops";
    for (const answer of this.#commands.values()) answer({ kind: "failed", why });
    this.#commands.clear();
    await this.#jobs.close();
  }
}

/** Those of children are control's to make. */
function withoutChildren({ connections }: IkeConfig, policies: readonly Policy[]): readonly Policy[] {
  const ofChildren = new Set(connections.flatMap(({ name, children }) => children.map((c) => `${name}/${c.name}`)));
  return policies.filter(({ name }) => !ofChildren.has(name));
}

/** What a refused send tells IKE; a full buffer is a loss like any other, and retransmission's matter. */
function refusal(code: string | undefined): Unreachable | undefined {
  return code === undefined ? undefined : unreachableReason(code);
}
