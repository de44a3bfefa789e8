/** Which IKE SAs, sessions, children and jobs there are, found by all that names them. */
import type { Endpoint } from "#core/address";
import type { IkeSa } from "./ike-sa.ts";
import { Peers } from "./peers.ts";
import type { Child, Session } from "./session.ts";

/** IPv6 zones and ports apart: one stranger's IKE_SA_INIT. One flat string: V8 would keep a sum of strings as a tree of them. */
function initKey(initiatorSpi: bigint, { address, port }: Endpoint): string {
  return [initiatorSpi, ...address.octets, port].join(".");
}

export class Registry {
  readonly #bySpi = new Map<bigint, IkeSa>();
  readonly #byId = new Map<number, IkeSa>();
  readonly #byInit = new Map<string, IkeSa>();
  readonly #initOf = new Map<IkeSa, string>();
  readonly #bySession = new Map<Session, Set<IkeSa>>();
  readonly #owners = new Map<number, Session>();
  readonly sessions: Set<Session> = new Set();
  readonly peers: Peers = new Peers();

  add(sa: IkeSa): void {
    const { session } = sa;
    this.#bySpi.set(sa.ownSpi, sa);
    this.#byId.set(sa.id, sa);
    const sas = this.#bySession.get(session) ?? new Set();
    sas.add(sa);
    this.#bySession.set(session, sas);
    this.sessions.add(session);
  }

  /** A session without IKE SAs is none. */
  remove(sa: IkeSa): void {
    const { session } = sa;
    this.#bySpi.delete(sa.ownSpi);
    this.#byId.delete(sa.id);
    const init = this.#initOf.get(sa);
    if (init !== undefined) this.#byInit.delete(init);
    this.#initOf.delete(sa);
    const sas = this.#bySession.get(session);
    sas?.delete(sa);
    if (sas === undefined || sas.size > 0) return;
    this.#bySession.delete(session);
    this.sessions.delete(session);
    this.peers.remove(session);
  }

  rememberInit(sa: IkeSa, remote: Endpoint): void {
    this.rememberKey(sa, initKey(sa.initiatorSpi, remote));
  }

  /** What `initOf` gave. */
  rememberKey(sa: IkeSa, key: string): void {
    this.#byInit.set(key, sa);
    this.#initOf.set(sa, key);
  }

  /** By which repeats of its first message find it; undefined: we sent that. */
  initOf(sa: IkeSa): string | undefined {
    return this.#initOf.get(sa);
  }

  byInit(initiatorSpi: bigint, remote: Endpoint): IkeSa | undefined {
    return this.#byInit.get(initKey(initiatorSpi, remote));
  }

  bySpi(spi: bigint): IkeSa | undefined {
    return this.#bySpi.get(spi);
  }

  byId(id: number): IkeSa | undefined {
    return this.#byId.get(id);
  }

  sasOf(session: Session): readonly IkeSa[] {
    return [...(this.#bySession.get(session) ?? [])];
  }

  get sas(): IterableIterator<IkeSa> {
    return this.#bySpi.values();
  }

  own(child: number, session: Session): void {
    this.#owners.set(child, session);
  }

  disown(child: number): void {
    this.#owners.delete(child);
  }

  child(id: number): { readonly session: Session; readonly child: Child } | undefined {
    const session = this.#owners.get(id);
    const child = session?.children.get(id);
    return session === undefined || child === undefined ? undefined : { session, child };
  }
}
