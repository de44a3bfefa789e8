/** Which lines, ISAKMP SAs and pairs there are, found by all that names them. */
import type { Endpoint } from "#core/address";
import type { Identity } from "#core/identity";
import { identityKey } from "#crypto/identity";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";

/** IPv6 zones and ports apart: one stranger's first message. */
function firstKey(initiatorCookie: bigint, { address, port }: Endpoint): string {
  return `${initiatorCookie}|${address.octets.join(".")}|${port}`;
}

function peerKey(connection: string, remote: Identity): string {
  return `${connection}|${identityKey(remote) ?? ""}`;
}

export class Registry {
  readonly #byCookie = new Map<bigint, IsakmpSa>();
  readonly #byId = new Map<number, IsakmpSa>();
  readonly #byFirst = new Map<string, IsakmpSa>();
  readonly #firstOf = new Map<IsakmpSa, string>();
  readonly #byLine = new Map<PeerLine, Set<IsakmpSa>>();
  readonly #owners = new Map<number, PeerLine>();
  readonly #byPeer = new Map<string, Set<PeerLine>>();
  readonly #peerOf = new Map<PeerLine, string>();
  /** Every line that has an ISAKMP SA, a pair or something to do. */
  readonly lines: Set<PeerLine> = new Set();
  /** Those of them whose peer has not proven itself. */
  readonly unknown: Set<PeerLine> = new Set();

  add(sa: IsakmpSa): void {
    this.#byCookie.set(sa.ownCookie, sa);
    this.#byId.set(sa.id, sa);
    this.#attach(sa);
  }

  #attach(sa: IsakmpSa): void {
    const { line } = sa;
    const sas = this.#byLine.get(line) ?? new Set();
    this.#byLine.set(line, sas.add(sa));
    this.lines.add(line);
    if (line.peer.kind === "unknown") this.unknown.add(line);
  }

  #detach(sa: IsakmpSa): void {
    const sas = this.#byLine.get(sa.line);
    sas?.delete(sa);
    if (sas?.size === 0) this.#byLine.delete(sa.line);
  }

  remove(sa: IsakmpSa): void {
    this.#byCookie.delete(sa.ownCookie);
    this.#byId.delete(sa.id);
    const first = this.#firstOf.get(sa);
    if (first !== undefined) this.#byFirst.delete(first);
    this.#firstOf.delete(sa);
    this.#detach(sa);
  }

  /** The peer is known: its ISAKMP SA is one of this line's from now on. */
  rehome(sa: IsakmpSa, line: PeerLine): void {
    this.#detach(sa);
    sa.line = line;
    this.#attach(sa);
  }

  /** Nothing is left of it. */
  forget(line: PeerLine): void {
    this.lines.delete(line);
    this.unknown.delete(line);
    const key = this.#peerOf.get(line);
    this.#peerOf.delete(line);
    if (key === undefined) return;
    const lines = this.#byPeer.get(key);
    lines?.delete(line);
    if (lines?.size === 0) this.#byPeer.delete(key);
  }

  /** The line has its identities from now on. */
  know(line: PeerLine): void {
    if (line.peer.kind !== "authenticated") return;
    this.unknown.delete(line);
    const key = peerKey(line.connection.name, line.peer.remoteIdentity);
    this.#peerOf.set(line, key);
    this.#byPeer.set(key, (this.#byPeer.get(key) ?? new Set()).add(line));
  }

  /** Authenticated lines of this connection with this peer. */
  linesOf(connection: string, remote: Identity): readonly PeerLine[] {
    return [...(this.#byPeer.get(peerKey(connection, remote)) ?? [])];
  }

  rememberFirst(sa: IsakmpSa, remote: Endpoint): void {
    this.thawFirst(sa, firstKey(sa.initiatorCookie, remote));
  }

  /** `key`: of `firstOf`. */
  thawFirst(sa: IsakmpSa, key: string): void {
    this.#byFirst.set(key, sa);
    this.#firstOf.set(sa, key);
  }

  /** What its first message is known by, where the peer began. */
  firstOf(sa: IsakmpSa): string | undefined {
    return this.#firstOf.get(sa);
  }

  byFirst(initiatorCookie: bigint, remote: Endpoint): IsakmpSa | undefined {
    return this.#byFirst.get(firstKey(initiatorCookie, remote));
  }

  /** By the cookie pair of a header; as initiator we may not know the responder's yet. */
  byCookies(initiatorCookie: bigint, responderCookie: bigint): IsakmpSa | undefined {
    const asResponder = this.#byCookie.get(responderCookie);
    if (asResponder !== undefined && !asResponder.initiator && asResponder.initiatorCookie === initiatorCookie)
      return asResponder;
    const asInitiator = this.#byCookie.get(initiatorCookie);
    if (asInitiator === undefined || !asInitiator.initiator) return undefined;
    const known = asInitiator.responderCookie;
    return known === 0n || known === responderCookie ? asInitiator : undefined;
  }

  /** A line of another process with its established ISAKMP SAs; `firsts`: their `firstOf`, by id. */
  thaw(line: PeerLine, sas: readonly IsakmpSa[], firsts: ReadonlyMap<number, string>): void {
    this.lines.add(line);
    for (const sa of sas) {
      this.add(sa);
      const first = firsts.get(sa.id);
      if (first !== undefined) this.thawFirst(sa, first);
    }
    for (const id of line.pairs.keys()) this.own(id, line);
    this.know(line);
  }

  hasCookie(cookie: bigint): boolean {
    return this.#byCookie.has(cookie);
  }

  byId(id: number): IsakmpSa | undefined {
    return this.#byId.get(id);
  }

  get sas(): IterableIterator<IsakmpSa> {
    return this.#byId.values();
  }

  /** All ISAKMP SAs of a line: the current one, superseded ones, those that are set up. */
  sasOf(line: PeerLine): readonly IsakmpSa[] {
    return [...(this.#byLine.get(line) ?? [])];
  }

  /** It has pairs, or an ISAKMP SA besides this one that is not about to go. */
  holdsAnything(line: PeerLine, besides: IsakmpSa): boolean {
    const stays = (sa: IsakmpSa) => sa !== besides && sa.state.kind === "Live" && sa.state.phase.kind !== "Closing";
    return line.pairs.size > 0 || this.sasOf(line).some(stays);
  }

  /** The pair is this line's from now on. */
  own(pair: number, line: PeerLine): void {
    this.#owners.set(pair, line);
  }

  disown(pair: number): void {
    this.#owners.delete(pair);
  }

  pair(id: number): { readonly line: PeerLine; readonly pair: Pair } | undefined {
    const line = this.#owners.get(id);
    const pair = line?.pairs.get(id);
    return line === undefined || pair === undefined ? undefined : { line, pair };
  }
}
