/** Established ISAKMP SAs as plain data. */
import type { Connection } from "#core/connection";
import { assert } from "#core/errors";
import { keyExchangeById } from "#crypto/key-exchange";
import { copyOctets } from "#crypto/octets";
import { prfById } from "#crypto/prf";
import { encryptionTransform } from "#crypto/transforms";
import { Channel, type FrozenChannel } from "./channel.ts";
import { type FrozenExchange, freezeExchange, thawExchange, wipeFrozenExchange } from "./frozen-exchanges.ts";
import type { Named } from "./frozen-tasks.ts";
import { isakmpCiphering } from "./isakmp-ciphering.ts";
import { type Deadlines, IsakmpSa, type IsakmpSuite, type Live } from "./isakmp-sa.ts";
import { type IsakmpKeys, wipeIsakmpKeys } from "./keymat.ts";
import type { PeerLine } from "./peer-line.ts";
import type { Phase2Exchange } from "./phase2.ts";

interface FrozenSuite extends Omit<IsakmpSuite, "encryption" | "prf" | "keyExchange"> {
  readonly encryption: { readonly id: number; readonly keyOctets: number };
  readonly prf: number;
  readonly keyExchange: number;
}

interface FrozenLive extends Omit<Live, "kind" | "suite" | "exchanges"> {
  readonly suite: FrozenSuite;
  /** By M-ID. */
  readonly exchanges: ReadonlyMap<number, FrozenExchange>;
}

export interface FrozenIsakmpSa
  extends Pick<
    IsakmpSa,
    | "id"
    | "initiator"
    | "mode"
    | "trigger"
    | "weaker"
    | "initiatorCookie"
    | "responderCookie"
    | "unconfirmed"
    | "heldSince"
    | "peer"
  > {
  readonly deadlines: Deadlines;
  readonly channel: FrozenChannel;
  readonly live: FrozenLive;
}

/** Here and elsewhere field by field: rest and spread cost several times as much, and nothing passes meanwhile. */
export function freezeIsakmpSa(connection: Connection, sa: IsakmpSa, live: Live): FrozenIsakmpSa {
  return {
    id: sa.id,
    initiator: sa.initiator,
    mode: sa.mode,
    trigger: sa.trigger,
    weaker: sa.weaker,
    initiatorCookie: sa.initiatorCookie,
    responderCookie: sa.responderCookie,
    unconfirmed: sa.unconfirmed,
    heldSince: sa.heldSince,
    peer: sa.peer,
    deadlines: { ...sa.deadlines },
    channel: sa.channel.freeze(),
    live: freezeLive(connection, live),
  };
}

function freezeLive(connection: Connection, live: Live): FrozenLive {
  const exchanges = new Map<number, FrozenExchange>();
  for (const [messageId, exchange] of live.exchanges) {
    const frozen = freezeExchange(connection, exchange);
    if (frozen !== undefined) exchanges.set(messageId, frozen);
  }
  return {
    keyedAt: live.keyedAt,
    establishedAt: live.establishedAt,
    phase: live.phase,
    quickModes: live.quickModes,
    unanswered: live.unanswered,
    exchanges,
    suite: freezeSuite(live.suite),
    keys: copied(live.keys),
  };
}

function freezeSuite({ encryption, prf, keyExchange, method, lifeTime, lifeOctets }: IsakmpSuite): FrozenSuite {
  const { id, keyOctets } = encryption;
  return {
    encryption: { id, keyOctets },
    prf: prf.id,
    keyExchange: keyExchange.id,
    method,
    lifeTime,
    lifeOctets,
  };
}

function thawSuite(frozen: FrozenSuite): IsakmpSuite {
  const { method, lifeTime, lifeOctets } = frozen;
  const encryption = encryptionTransform(frozen.encryption.id, frozen.encryption.keyOctets);
  const prf = prfById(frozen.prf);
  const keyExchange = keyExchangeById(frozen.keyExchange);
  assert(
    encryption !== undefined && prf !== undefined && keyExchange !== undefined,
    "an ISAKMP SA was agreed on with algorithms that are not known here",
  );
  return { encryption, prf, keyExchange, method, lifeTime, lifeOctets };
}

function copied({ prf, SKEYID, SKEYID_d, SKEYID_a, SKEYID_e }: IsakmpKeys): IsakmpKeys {
  return {
    prf,
    SKEYID: copyOctets(SKEYID),
    SKEYID_d: copyOctets(SKEYID_d),
    SKEYID_a: copyOctets(SKEYID_a),
    SKEYID_e: copyOctets(SKEYID_e),
  };
}

/** Of a line whose pairs are there; its exchanges share no secret with what was frozen. */
export function thawIsakmpSa(line: PeerLine, named: Named, frozen: FrozenIsakmpSa): IsakmpSa {
  const live = thawLive(named, frozen.live);
  const { cipher, hash } = isakmpCiphering(live.suite, live.keys);
  const sa = new IsakmpSa({
    id: frozen.id,
    line,
    initiator: frozen.initiator,
    mode: frozen.mode,
    trigger: frozen.trigger,
    weaker: frozen.weaker,
    initiatorCookie: frozen.initiatorCookie,
    responderCookie: frozen.responderCookie,
    channel: Channel.thaw(frozen.channel, cipher, hash),
  });
  sa.state = live;
  sa.unconfirmed = frozen.unconfirmed;
  sa.heldSince = frozen.heldSince;
  sa.peer = frozen.peer;
  Object.assign(sa.deadlines, frozen.deadlines);
  return sa;
}

function thawLive(named: Named, frozen: FrozenLive): Live {
  const exchanges = new Map<number, Phase2Exchange>();
  for (const [messageId, one] of frozen.exchanges) exchanges.set(messageId, thawExchange(named, one));
  return {
    kind: "Live",
    suite: thawSuite(frozen.suite),
    keys: copied(frozen.keys),
    keyedAt: frozen.keyedAt,
    establishedAt: frozen.establishedAt,
    phase: frozen.phase,
    exchanges,
    quickModes: frozen.quickModes,
    unanswered: frozen.unanswered,
  };
}

export function wipeFrozenIsakmpSa({ live: { keys, exchanges } }: FrozenIsakmpSa): void {
  wipeIsakmpKeys(keys);
  for (const exchange of exchanges.values()) wipeFrozenExchange(exchange);
}
