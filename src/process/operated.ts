/** The running gateway as operators see it (core/operator.ts): its snapshots in their words, its last failures remembered. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { reportLine } from "#control/report-text";
import { addressToString, type Endpoint } from "#core/address";
import type { GatewayDetails } from "#core/details";
import type { ChildSnapshot, IkeReport, IkeSaSnapshot } from "#core/ike-state";
import type { Journal } from "#core/journal";
import type {
  GatewayStatus,
  IkeSaStatus,
  LifeStatus,
  OperatedGateway,
  OperatorAction,
  OperatorTarget,
  RunningConfiguration,
  SaStatus,
  TunnelName,
  TunnelStatus,
} from "#core/operator";
import type { PacketQuery, PacketVerdict } from "#core/packet-verdict";
import type { Clock } from "#core/ports";
import { type Millis, spiToString } from "#core/units";
import type { ChildCounters } from "#gateway/child-usage";
import type { ControlOutcome, PairLife, ShownTunnel } from "#gateway/control-doors";
import { packetVerdict } from "#gateway/packet-verdict";
import type { Gateway } from "#src/main";
import type { LoopDelay } from "./loop-delay.ts";

/** Tunnels that are looked at in one turn of the event loop. */
const AT_ONCE = 200;

/** Why tunnels are not up: told by reports, forgotten when they are up again. Bounded by what is configured. */
export class Failures {
  readonly #clock: Clock;
  readonly #lines = new Map<string, { readonly text: string; readonly number: number }>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  report(report: IkeReport): void {
    if (report.kind === "failed" || report.kind === "child-down") {
      const { text } = reportLine(report, this.#clock.now());
      this.#lines.set(nameOf(report.connection, report.child), { text, number: ++this.#count });
    }
    if (report.kind === "ike-up") this.#lines.delete(report.ike.connection);
    if (report.kind === "child-up") this.#lines.delete(nameOf(report.connection, report.child));
  }

  /** Of others nobody asks any more; looked for when there are many more than can be shown. */
  keepOnly(tunnels: readonly TunnelName[]): void {
    if (this.#lines.size <= 2 * tunnels.length) return;
    const names = new Set(tunnels.flatMap(({ connection, child }) => [connection, nameOf(connection, child)]));
    for (const name of this.#lines.keys()) if (!names.has(name)) this.#lines.delete(name);
  }

  /** The last one of the child, or of the connection as a whole. */
  of(connection: string, child: string): string | undefined {
    const own = this.#lines.get(nameOf(connection, child));
    const whole = this.#lines.get(connection);
    return ((own?.number ?? 0) > (whole?.number ?? 0) ? own : whole)?.text;
  }
}

function nameOf(connection: string, child: string | undefined): string {
  return child === undefined ? connection : `${connection}/${child}`;
}

/** What a gateway is shown with, beside itself. */
export interface OperatedParts {
  readonly configuration: RunningConfiguration;
  readonly failures: Failures;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly pid: number;
  readonly delay: LoopDelay;
  readonly upgrade: () => Promise<{ readonly pid: number } | { readonly why: string }>;
}

export class Operated implements OperatedGateway {
  readonly configuration: RunningConfiguration;
  readonly journal: Journal;
  readonly upgrade: OperatedParts["upgrade"];
  readonly #gateway: Gateway;
  readonly #failures: Failures;
  readonly #clock: Clock;
  readonly #pid: number;
  readonly #startedAt: Millis;
  readonly #delay: LoopDelay;

  constructor(gateway: Gateway, { configuration, failures, clock, pid, delay, journal, upgrade }: OperatedParts) {
    this.upgrade = upgrade;
    this.configuration = configuration;
    this.#gateway = gateway;
    this.journal = journal;
    this.#failures = failures;
    this.#clock = clock;
    this.#pid = pid;
    this.#startedAt = clock.now();
    this.#delay = delay;
  }

  status(): GatewayStatus {
    const gathering = this.#gather();
    for (;;) {
      const { done, value } = gathering.next();
      if (done === true) return value;
    }
  }

  async gatherStatus(): Promise<GatewayStatus> {
    const gathering = this.#gather();
    for (let count = 1; ; count++) {
      const { done, value } = gathering.next();
      if (done === true) return value;
      if (count % AT_ONCE === 0) await nextTurn();
    }
  }

  tunnelNames(): readonly TunnelName[] {
    return this.#gateway.ike?.tunnelNames() ?? [];
  }

  /** Yields after each tunnel. */
  *#gather(): Generator<undefined, GatewayStatus> {
    const ike = this.#gateway.ike?.summary();
    const now = this.#clock.now();
    const sas = ike?.ike.sas ?? [];
    const pairs = pairsOf(sas);
    yield undefined;
    const tunnels: TunnelStatus[] = [];
    for (const shown of this.#gateway.ike?.shownTunnels() ?? []) {
      tunnels.push(this.#tunnel(shown, pairs, now));
      yield undefined;
    }
    this.#failures.keepOnly(tunnels);
    return {
      format: 1,
      pid: this.#pid,
      upMillis: now - this.#startedAt,
      tun: this.#gateway.tunName,
      mtu: this.#gateway.mtu,
      description: this.#gateway.description,
      tunnels,
      ikeSas: sas.map((sa) => ikeSaStatus(sa, now)),
      stall: this.#delay.report,
      halfOpen: ike?.ike.halfOpen ?? 0,
      rekeys: ike?.rekeys ?? {},
      fallbacks: ike?.fallbacks ?? { total: 0, now: 0 },
      drops: this.#gateway.drops(),
      ike: ike?.ike.counters ?? {},
      configLastReload: this.configuration.lastReload,
      ...(this.configuration.file === undefined ? {} : { configFile: this.configuration.file }),
    };
  }

  explainPacket(packet: PacketQuery): PacketVerdict | string {
    const { children, ike } = this.#gateway.snapshot();
    const current = new Set((ike?.tunnels ?? []).map((tunnel) => tunnel.current));
    const own = new Set(
      (ike?.ike.sas ?? []).flatMap((sa) =>
        sa.children.filter(({ id }) => current.has(id)).map((c) => spiToString(c.inboundSpi)),
      ),
    );
    const pairs = children
      .filter(({ inbound }) => ike === undefined || own.has(inbound.spi))
      .map(({ policy, remote, inbound, outbound }) => ({
        policy,
        remote,
        spiIn: inbound.spi,
        spiOut: outbound.spi,
        state: outbound.state,
      }));
    return packetVerdict(packet, this.#gateway.policies(), pairs);
  }

  details(): GatewayDetails | undefined {
    return this.#gateway.ike?.details();
  }

  async act(
    action: OperatorAction,
    target: OperatorTarget,
  ): Promise<{ readonly count: number } | { readonly why: string }> {
    const { ike } = this.#gateway;
    if (ike === undefined) return { why: "its keys are manual: there is nobody to negotiate with" };
    switch (action) {
      case "initiate":
        return answerOf(await ike.initiate(target));
      case "terminate":
        return answerOf(await ike.terminate(target));
      case "rekey":
      case "reauthenticate":
        return answerOf(await ike.rekey(target, action === "reauthenticate"));
      case "allow-clear":
        return answerOf(await ike.allowClear(target));
      case "install":
      case "uninstall":
        return answerOf(await ike.trap(target, action === "install"));
      default:
        return action satisfies never;
    }
  }

  #tunnel({ tunnel, counters }: ShownTunnel, pairs: PairIndex, now: Millis): TunnelStatus {
    const { connection, child, state, octetsIn, octetsOut, packetsIn, packetsOut, rate, nextRekey, establishedAt } =
      tunnel;
    const { pair: current, ike } = (tunnel.current === undefined ? undefined : pairs.get(tunnel.current)) ?? {};
    const spares = new Set(tunnel.spares.map((id) => pairs.get(id)?.pair.inboundSpi));
    return {
      connection,
      child,
      state,
      // A pair of IKEv1 may be in use without any IKE SA.
      upMillis: establishedAt === undefined || tunnel.current === undefined ? undefined : now - establishedAt,
      peer: ike === undefined ? undefined : endpointText(ike.remote),
      octetsIn,
      octetsOut,
      packetsIn,
      packetsOut,
      rate,
      rekeyMillis: spanTo(nextRekey, now),
      life: tunnel.life === undefined ? undefined : lifeStatus(tunnel.life, now),
      suite: current?.suite,
      localSelectors: current?.localSelectors ?? [],
      remoteSelectors: current?.remoteSelectors ?? [],
      sas: counters.map((pair) => saStatus(pair, current, spares)),
      failure: this.#failures.of(connection, child),
      clear:
        tunnel.clear === undefined ? undefined : { millis: now - tunnel.clear.since, because: tunnel.clear.because },
    };
  }
}

/** Made once an answer: there may be ten thousand tunnels. */
type PairIndex = ReadonlyMap<number, { readonly pair: ChildSnapshot; readonly ike: IkeSaSnapshot }>;

function pairsOf(ikeSas: readonly IkeSaSnapshot[]): PairIndex {
  const pairs = new Map<number, { readonly pair: ChildSnapshot; readonly ike: IkeSaSnapshot }>();
  for (const ike of ikeSas) for (const pair of ike.children) pairs.set(pair.id, { pair, ike });
  return pairs;
}

function answerOf(outcome: ControlOutcome): { readonly count: number } | { readonly why: string } {
  return outcome.kind === "ok" ? { count: outcome.count } : { why: outcome.why };
}

function lifeStatus(life: PairLife, now: Millis): LifeStatus {
  const bounded = (limit: number) => (Number.isFinite(limit) ? limit : undefined);
  return {
    ageMillis: now - life.installedAt,
    rekeyMillis: bounded(life.rekeyAt - now),
    expiryMillis: bounded(life.expiresAt - now),
    octets: life.octets,
    rekeyOctets: bounded(life.rekeyOctets),
    lifeOctets: bounded(life.lifeOctets),
    packets: life.packets,
    rekeyPackets: bounded(life.rekeyPackets),
    lifePackets: bounded(life.lifePackets),
  };
}

function saStatus(
  { inbound, outbound }: ChildCounters,
  current: ChildSnapshot | undefined,
  spares: ReadonlySet<ChildSnapshot["inboundSpi"] | undefined>,
): SaStatus {
  const isSpare = [...spares].some((spi) => spi !== undefined && spiToString(spi) === inbound.spi);
  const isCurrent = current !== undefined && spiToString(current.inboundSpi) === inbound.spi;
  return {
    role: isCurrent ? "current" : isSpare ? "spare" : "draining",
    spiIn: inbound.spi,
    spiOut: outbound.spi,
    state: outbound.state,
    keyOctetsIn: inbound.keyOctets,
    keyOctetsOut: outbound.keyOctets,
  };
}

function ikeSaStatus(sa: IkeSaSnapshot, now: Millis): IkeSaStatus {
  const { id, connection, version, state, initiator, localIdentity, remoteIdentity, suite, natLocal, natRemote } = sa;
  return {
    id,
    connection,
    version,
    state,
    initiator,
    spis: `${sa.initiatorSpi}_i ${sa.responderSpi}_r`,
    local: endpointText(sa.local),
    remote: endpointText(sa.remote),
    localIdentity,
    remoteIdentity,
    suite,
    nat: natLocal ? (natRemote ? "both" : "ours") : natRemote ? "theirs" : "none",
    upMillis: sa.establishedAt === undefined ? undefined : now - sa.establishedAt,
    rekeyMillis: spanTo(sa.rekeyAt, now),
    reauthMillis: spanTo(sa.reauthAt, now),
  };
}

function spanTo(at: Millis | undefined, now: Millis): number | undefined {
  return at === undefined || !Number.isFinite(at) ? undefined : Math.max(0, at - now);
}

function endpointText({ address, port }: Endpoint): string {
  const text = addressToString(address);
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}
