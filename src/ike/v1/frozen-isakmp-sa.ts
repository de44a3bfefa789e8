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

export function freezeIsakmpSa(connection: Connection, sa: IsakmpSa, live: Live): FrozenIsakmpSa {
  const { id, initiator, mode, trigger, weaker, initiatorCookie, responderCookie } = sa;
  const { unconfirmed, heldSince, peer, deadlines, channel } = sa;
  return {
    ...{ id, initiator, mode, trigger, weaker, initiatorCookie, responderCookie, unconfirmed, heldSince, peer },
    deadlines: { ...deadlines },
    channel: channel.freeze(),
    live: freezeLive(connection, live),
  };
}

function freezeLive(connection: Connection, live: Live): FrozenLive {
  const { suite, keys, keyedAt, establishedAt, phase, quickModes, unanswered } = live;
  const exchanges = new Map<number, FrozenExchange>();
  for (const [messageId, exchange] of live.exchanges) {
    const frozen = freezeExchange(connection, exchange);
    if (frozen !== undefined) exchanges.set(messageId, frozen);
  }
  return {
    ...{ keyedAt, establishedAt, phase, quickModes, unanswered, exchanges },
    suite: freezeSuite(suite),
    keys: copied(keys),
  };
}

function freezeSuite({ encryption, prf, keyExchange, ...numbers }: IsakmpSuite): FrozenSuite {
  const { id, keyOctets } = encryption;
  return { ...numbers, encryption: { id, keyOctets }, prf: prf.id, keyExchange: keyExchange.id };
}

function thawSuite({ encryption: { id, keyOctets }, prf, keyExchange, ...numbers }: FrozenSuite): IsakmpSuite {
  const known = {
    encryption: encryptionTransform(id, keyOctets),
    prf: prfById(prf),
    keyExchange: keyExchangeById(keyExchange),
  };
  assert(
    known.encryption !== undefined && known.prf !== undefined && known.keyExchange !== undefined,
    `cipher ${id}, PRF ${prf} or group ${keyExchange} of an ISAKMP SA is not known here`,
  );
  return { ...numbers, encryption: known.encryption, prf: known.prf, keyExchange: known.keyExchange };
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
  const suite = thawSuite(frozen.live.suite);
  const keys = copied(frozen.live.keys);
  const { cipher, hash } = isakmpCiphering(suite, keys);
  const sa = new IsakmpSa({ ...frozen, line, channel: Channel.thaw(frozen.channel, cipher, hash) });
  const exchanges = [...frozen.live.exchanges].map(([id, one]) => [id, thawExchange(named, one)] as const);
  sa.state = { ...frozen.live, kind: "Live", suite, keys, exchanges: new Map(exchanges) };
  sa.unconfirmed = frozen.unconfirmed;
  sa.heldSince = frozen.heldSince;
  sa.peer = frozen.peer;
  Object.assign(sa.deadlines, frozen.deadlines);
  return sa;
}

export function wipeFrozenIsakmpSa({ live: { keys, exchanges } }: FrozenIsakmpSa): void {
  wipeIsakmpKeys(keys);
  for (const exchange of exchanges.values()) wipeFrozenExchange(exchange);
}
