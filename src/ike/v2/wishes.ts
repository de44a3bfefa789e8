/** What director and operator want of the engine, turned into attempts and tasks. */
import type { Endpoint, IpAddress } from "#core/address";
import { compareAddresses } from "#core/address";
import type { ChildConfig, Connection } from "#core/connection";
import type { Trigger } from "#core/ike-state";
import { sameValue } from "#core/same-value";
import { type Attempt, Attempts } from "#ike/attempts";
import { configuredNow, tasksNow } from "#ike/configured";
import type { IkeInput } from "#ike/effects";
import { report } from "#ike/host";
import { Channel } from "./channel.ts";
import { closeIke, destroy, useChild } from "./end.ts";
import { inherit, isAlive, stays } from "./heirs.ts";
import type { Host } from "./host.ts";
import { IkeSa } from "./ike-sa.ts";
import * as ikeSaInit from "./ike-sa-init.ts";
import { follow, onAddresses } from "./mobike.ts";
import type { Registry } from "./registry.ts";
import { hasChild, type PacketSelectors, type Path, Session, type Task } from "./session.ts";

type Wish = Exclude<
  IkeInput,
  { readonly kind: "configure" | "datagram" | "timeout" | "computed" | "hold" | "release" }
>;
type Initiate = Extract<IkeInput, { readonly kind: "initiate" }>;

/** The engine's host, where the wishes write what they learn. */
export interface WishHost extends Host {
  localEndpoints: readonly Endpoint[];
  /** No exchange of ours begins. */
  readonly held: boolean;
}

export class Wishes {
  readonly #host: WishHost;
  readonly #registry: Registry;
  readonly #attempts: Attempts;
  /** Packets that asked, until their child is made. */
  readonly #packets = new Map<string, PacketSelectors>();

  constructor(host: WishHost, registry: Registry, attempts: Attempts) {
    this.#host = host;
    this.#registry = registry;
    this.#attempts = attempts;
  }

  onInput(input: Wish): void {
    switch (input.kind) {
      case "initiate":
        this.#initiate(input);
        return;
      case "rekey-child":
        this.#withChild(input.id, ({ session, child }) => {
          const queued = session.tasks.some(({ work }) => work.kind === "rekey-child" && work.child === child);
          if (
            child.state.kind === "Installed" &&
            !queued &&
            !session.add({ kind: "rekey-child", child, preflight: false }, input.trigger, this.#host.now)
          )
            this.#host.count("queue_full");
        });
        return;
      case "delete-child":
        this.#withChild(input.id, ({ session, child }) => {
          const queued = session.tasks.some(({ work }) => work.kind === "delete-child" && work.child === child);
          if (child.state.kind === "Installed" && !queued)
            session.addFirst({ kind: "delete-child", child, reason: input.reason }, "operator", this.#host.now);
        });
        return;
      case "rekey-ike":
        this.#withIke(input.ike, (sa) => {
          if (!sa.session.tasks.some(({ work }) => work.kind === "rekey-ike"))
            sa.session.add({ kind: "rekey-ike" }, input.trigger, this.#host.now);
        });
        return;
      case "reauthenticate":
        this.#withIke(input.ike, (sa) => this.#reauthenticate(sa.session, input.trigger));
        return;
      case "delete-ike":
        this.#withIke(input.ike, (sa) => this.#delete(sa, input.reason));
        return;
      case "heard":
        this.#withChild(input.id, ({ session }) => this.#heard(session));
        return;
      case "first-packet":
        this.#withChild(input.id, ({ session, child }) => {
          this.#heard(session);
          useChild(this.#host, child);
        });
        return;
      case "peer-moved":
        this.#withChild(input.id, ({ session }) => follow(this.#host, session, input.remote));
        return;
      case "addresses":
        this.#addresses(input.local);
        return;
      case "unreachable":
        for (const session of this.#registry.sessions)
          if (
            session.peer.kind === "unknown" &&
            compareAddresses(session.path.remote.address, input.remote.address) === 0
          )
            session.unreachable = input.reason;
        return;
      default:
        input satisfies never;
        return;
    }
  }

  #withChild(id: number, act: (found: NonNullable<ReturnType<Registry["child"]>>) => void): void {
    const found = this.#registry.child(id);
    if (found === undefined) return;
    this.#host.touch(found.session);
    act(found);
  }

  /** By any of its session's IKE SAs. */
  #withIke(id: number, act: (sa: IkeSa) => void): void {
    const sa = this.#registry.byId(id);
    if (sa === undefined) return;
    this.#host.touch(sa.session);
    act(sa.session.current ?? sa);
  }

  #heard(session: Session): void {
    session.heardAt = this.#host.now;
    for (const sa of this.#registry.sasOf(session)) sa.deadlines.confirmBy = undefined;
  }

  // ── start ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #initiate(input: Initiate): void {
    const host = this.#host;
    const connection = host.connections.find(({ name }) => name === input.connection);
    const config = connection?.children.find(({ name }) => name === input.child);
    if (connection === undefined || (input.child !== undefined && config === undefined)) {
      this.#unknown(input);
      return;
    }
    const session = this.#sessionOf(connection, input.remote);
    if (session !== undefined) {
      this.#askChild(session, config, input);
      // What is asked for while it is set up is asked for again with the rest should that fail.
      if (session.attempt !== undefined && session.peer.kind === "unknown") this.#askAttempt(session.attempt, input);
      return;
    }
    if (input.packet !== undefined && input.child !== undefined)
      this.#packets.set(`${connection.name}/${input.child}`, input.packet);
    const key = Attempts.key(connection.name, input.remote);
    if (!this.#attempts.ask(connection.name, input.remote, input.child, input.trigger)) {
      host.count("queue_full");
      return;
    }
    const attempt = this.#attempts.get(key);
    if (host.held) this.#attempts.postpone(key, host.now);
    else if (attempt !== undefined) this.start(attempt);
  }

  /** Begun with another remote, or none, it is the same attempt. */
  #askAttempt(key: string, { connection, remote, child, trigger }: Initiate): void {
    const attempt = this.#attempts.get(key);
    this.#attempts.ask(connection, attempt === undefined ? remote : attempt.remote, child, trigger);
  }

  #unknown({ connection, child }: Initiate): void {
    report(this.#host, {
      kind: "failed",
      connection,
      child,
      asked: "us",
      stage: "initiate",
      notify: undefined,
      from: "us",
      reason: "there is no such connection or child",
      remedy: "look at the names in the configuration",
      retryAt: undefined,
    });
  }

  /** The one that is set up or alive; one that is to end only where there is no other. */
  #sessionOf(connection: Connection, remote: Endpoint | undefined): Session | undefined {
    let ending: Session | undefined;
    for (const session of this.#registry.sessions) {
      const { current } = session;
      if (session.connection.name !== connection.name || current === undefined || [...session.formers].some(stays))
        continue;
      if (remote !== undefined && compareAddresses(session.path.remote.address, remote.address) !== 0) continue;
      const { state } = current;
      const usable =
        state.kind === "Live" ? state.phase.kind !== "Closing" : current.originalInitiator && state.kind !== "Refused";
      if (!usable) continue;
      if (state.kind !== "Live" || stays(session)) return session;
      ending ??= session;
    }
    return ending;
  }

  #askChild(session: Session, config: ChildConfig | undefined, { packet, trigger }: Initiate): void {
    const host = this.#host;
    host.touch(session);
    if (config === undefined) return;
    const queued = session.tasks.some(({ work }) => work.kind === "new-child" && work.config.name === config.name);
    if (queued || hasChild(session, config.name) || isBeingMade(session, config.name)) {
      host.count("initiate_repeated");
      return;
    }
    if (!session.add({ kind: "new-child", config, packet }, trigger, host.now)) host.count("queue_full");
  }

  /** A new IKE SA of ours. */
  start(attempt: Attempt): void {
    const host = this.#host;
    const connection = host.connections.find(({ name }) => name === attempt.connection);
    const key = Attempts.key(attempt.connection, attempt.remote);
    if (connection === undefined) {
      this.#attempts.done(key);
      return;
    }
    const other = this.#sessionOf(connection, attempt.remote);
    if (other !== undefined) {
      this.#attempts.done(key);
      for (const config of connection.children)
        if (attempt.children.includes(config.name))
          this.#askChild(other, config, {
            kind: "initiate",
            connection: connection.name,
            child: config.name,
            trigger: attempt.trigger,
          });
      return;
    }
    const session = this.#open(connection, attempt.remote, attempt.trigger, undefined);
    session.attempt = key;
    for (const name of attempt.children) {
      const config = connection.children.find((child) => child.name === name);
      const packet = this.#packets.get(`${connection.name}/${name}`);
      this.#packets.delete(`${connection.name}/${name}`);
      if (config !== undefined) session.add({ kind: "new-child", config, packet }, attempt.trigger, host.now);
    }
    this.#begin(session);
  }

  #open(
    connection: Connection,
    remote: Endpoint | undefined,
    trigger: Trigger,
    reauthenticates: Session | undefined,
  ): Session {
    const host = this.#host;
    const path = this.#path(connection, remote);
    return new Session({ id: host.nextId(), connection, path, trigger, now: host.now, reauthenticates });
  }

  #path(connection: Connection, remote: Endpoint | undefined): Path {
    const pattern = connection.remoteAddresses.find(({ kind }) => kind === "address");
    const there = remote ?? {
      address: pattern?.kind === "address" ? pattern.address : UNSPECIFIED,
      port: connection.remotePort,
    };
    const local = { address: this.#localAddress(connection, there.address), port: connection.localPort };
    return { local, remote: there, natLocal: false, natRemote: false, remoteForces: false };
  }

  #localAddress(connection: Connection, remote: IpAddress): IpAddress {
    for (const pattern of connection.localAddresses)
      if (pattern.kind === "address" && pattern.address.family === remote.family) return pattern.address;
    const own = this.#host.localEndpoints.find(({ address }) => address.family === remote.family);
    return own?.address ?? { family: remote.family, octets: new Uint8Array(remote.octets.length) };
  }

  #begin(session: Session): void {
    const host = this.#host;
    const { connection, path } = session;
    const sa = new IkeSa({
      id: host.nextId(),
      session,
      originalInitiator: true,
      initiatorSpi: host.drawIkeSpi(),
      responderSpi: 0n,
      channel: new Channel(host.world.random, true),
    });
    session.current = sa;
    host.add(sa);
    if (path.remote.address.octets.every((octet) => octet === 0)) {
      destroy(host, sa);
      host.failed(session, {
        child: undefined,
        stage: "initiate",
        notify: undefined,
        from: "us",
        reason: `${connection.name} has no address to speak to`,
        remedy: "set remote_addrs to an address, or let the peer begin",
      });
      return;
    }
    ikeSaInit.begin(host, sa);
  }

  // ── end, and again ─────────────────────────────────────────────────────────────────────────────────────────────────

  #delete(sa: IkeSa, reason: string): void {
    const host = this.#host;
    const { session, state } = sa;
    if (session.attempt !== undefined) this.#attempts.done(session.attempt);
    const heirs = [...session.heirs];
    session.heirs.clear();
    for (const { current } of heirs) if (current !== undefined) this.#delete(current, reason);
    session.tasks = [];
    if (state.kind === "Live") {
      closeIke(host, sa, reason);
      return;
    }
    if (state.kind === "Refused") return;
    destroy(host, sa);
    report(host, { kind: "ike-down", ike: sa.id, connection: session.connection.name, reason });
  }

  /** Make before break (RFC 7296 §2.8.3): a new IKE SA with the same children; the former goes when they stand. */
  #reauthenticate(session: Session, trigger: Trigger): void {
    const host = this.#host;
    // One that lost against its twin has no heirs.
    if (!stays(session)) return;
    for (const heir of session.heirs) if (!this.#registry.sessions.has(heir)) session.heirs.delete(heir);
    if (session.heirs.size > 0) return;
    const { connection, peer } = session;
    if (peer.kind !== "authenticated") return;
    for (const other of host.peers.of(connection.name, peer.remoteIdentity)) if (isNewer(other, session)) return;
    if (host.held) {
      session.peer = { ...peer, reauthAt: host.now };
      return;
    }
    const fresh = this.#open(connection, { ...session.path.remote, port: connection.remotePort }, trigger, session);
    const names = new Set<string>();
    for (const { config, state } of session.children.values()) {
      if (state.kind !== "Installed" || names.has(config.name)) continue;
      names.add(config.name);
      fresh.add({ kind: "new-child", config, packet: undefined }, trigger, host.now);
    }
    inherit(host, fresh, session);
    this.#begin(fresh);
  }

  onSessionTimeout(session: Session): void {
    const { peer } = session;
    if (peer.kind !== "authenticated" || peer.reauthAt === undefined || peer.reauthAt > this.#host.now) return;
    session.peer = { ...peer, reauthAt: undefined };
    this.#reauthenticate(session, "time");
  }

  /** A session whose children all stand ends the former ones; not one that is about to end itself. */
  onQuiet(session: Session): void {
    const { current, formers } = session;
    if (current?.state.kind !== "Live" || current.state.own.kind !== "Idle" || !stays(session)) return;
    for (const former of formers) {
      if (isAlive(former)) this.#takeOver(session, former);
      else if (!this.#registry.sessions.has(former)) formers.delete(former);
    }
  }

  #takeOver(session: Session, former: Session): void {
    const host = this.#host;
    const { current } = former;
    if (current?.state.kind !== "Live") return;
    inherit(host, session, former);
    this.#moveTasks(session, former.tasks);
    former.tasks = former.tasks.filter(({ work }) => work.kind !== "new-child");
    if (session.tasks.some(({ work }) => work.kind === "new-child")) return;
    for (const child of former.children.values())
      for (const heir of session.children.values())
        if (heir.config.name === child.config.name)
          child.successors.push({ to: heir, by: "us", lowestNonce: new Uint8Array(0) });
    host.touch(former);
    const { own } = current.state;
    const reauthenticated = session.isReauthentication && stays(former);
    closeIke(host, current, reauthenticated ? "reauthenticated" : "another IKE SA has its place");
    // Its answer is worth nothing now.
    if ("task" in own) this.#moveTasks(session, [own.task]);
  }

  /** Children that were asked for. */
  #moveTasks(session: Session, tasks: readonly Task[]): void {
    for (const { work, trigger } of tasks) {
      if (work.kind !== "new-child" || hasChild(session, work.config.name)) continue;
      session.add(work, trigger, this.#host.now);
      this.#host.touch(session);
    }
  }

  get packets(): ReadonlyMap<string, PacketSelectors> {
    return this.#packets;
  }

  /** Of another process; all else that it wanted is in attempts and sessions. */
  thaw(packets: ReadonlyMap<string, PacketSelectors>): void {
    for (const [name, packet] of packets) this.#packets.set(name, packet);
  }

  /** Sessions go on with the connection of the same name. */
  onConfigured(): void {
    const connections = new Map(this.#host.connections.map((connection) => [connection.name, connection]));
    for (const session of this.#registry.sessions) {
      const connection = connections.get(session.connection.name);
      if (connection === undefined) continue;
      session.connection = connection;
      for (const child of session.children.values()) child.config = configuredNow(connection, child.config);
      session.tasks = tasksNow(connection, session.tasks);
    }
  }

  #addresses(local: readonly Endpoint[]): void {
    if (sameValue(local, this.#host.localEndpoints)) return;
    this.#host.localEndpoints = local;
    for (const session of this.#registry.sessions) {
      const { current } = session;
      if (current?.state.kind !== "Live") continue;
      this.#host.touch(session);
      onAddresses(this.#host, current);
    }
  }
}

/** The peer reauthenticated before us, from where it is: the former one goes by itself. */
function isNewer(other: Session, session: Session): boolean {
  return (
    stays(other) &&
    other.peer.kind === "authenticated" &&
    session.peer.kind === "authenticated" &&
    other.peer.at > session.peer.at &&
    compareAddresses(other.path.remote.address, session.path.remote.address) === 0
  );
}

const UNSPECIFIED: IpAddress = { family: 4, octets: new Uint8Array(4) };

function isBeingMade(session: Session, name: string): boolean {
  const state = session.current?.state;
  if (state === undefined) return false;
  const task =
    state.kind === "AwaitIkeAuthResponse" || state.kind === "Signing"
      ? state.auth.task
      : state.kind === "Live" && "task" in state.own
        ? state.own.task
        : undefined;
  if (state.kind === "VerifyingResponder" && state.response.child.kind !== "none") {
    const { work } = state.response.child.task;
    return work.kind === "new-child" && work.config.name === name;
  }
  return task?.work.kind === "new-child" && task.work.config.name === name;
}
