/** A host of the virtual network without an engine: it sends an IKE node octets of its choice and sees what comes back. */
import { compareAddresses, type Endpoint } from "#core/address";
import { assert } from "#core/errors";
import { TransformType } from "#core/proposal";
import { prefixSelector, type TrafficSelector } from "#core/selector";
import { decodeChain, encodeMessage, type Payload } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType } from "#wire/ike/numbers";
import { idPayload } from "#wire/ike/v2/id";
import { notify } from "#wire/ike/v2/notify";
import { tsPayload } from "#wire/ike/v2/ts";
import { espProposal, id, ikeProposal, prefix } from "./ike-config.ts";
import { Insider } from "./ike-insider.ts";
import { type Datagram, endpoint, type IkeNode, type IkeSim } from "./ike-pair.ts";

const NOTHING = new Uint8Array(0);
export const INTRUDER = "203.0.113.66";
export const INTRUDER_NAME = "m.example";
export const INTRUDER_NET = "10.3.0.0/16";
export const INTRUDER_SPI: Uint8Array = Uint8Array.of(0xc0, 0xff, 0xee, 0x01);

export class Intruder {
  readonly sim: IkeSim;
  readonly target: IkeNode;
  at: Endpoint;
  #spi = 0x1111_0000_0000_0000n;

  constructor(sim: IkeSim, target: IkeNode, at: Endpoint = endpoint(INTRUDER, 500)) {
    this.sim = sim;
    this.target = target;
    this.at = at;
  }

  /** What the target sends here at once, its jobs done. */
  throw(octets: Uint8Array, from: Endpoint = this.at): Datagram[] {
    const { sim, target } = this;
    const seen = sim.sent.length;
    sim.arrive({ octets, from, to: { address: target.address, port: from.port === 4500 ? 4500 : 500 } });
    sim.runJobs();
    return sim.sent.slice(seen).filter(({ to }) => compareAddresses(to.address, from.address) === 0);
  }

  random(length: number): Uint8Array {
    const octets = new Uint8Array(length);
    this.sim.random.fill(octets);
    return octets;
  }

  /** SAi1, KEi, Ni and what every peer of today says. */
  initPayloads(): Payload[] {
    const proposal = { ...ikeProposal(), number: 1, spi: NOTHING };
    const method = proposal.transforms.find(({ type }) => type === TransformType.KE)?.id ?? 0;
    return [
      { kind: "SA", proposals: [proposal] },
      { kind: "KE", method, data: this.random(32) },
      { kind: "Nonce", data: this.random(32) },
      notify(NotifyType.NAT_DETECTION_SOURCE_IP, this.random(20)),
      notify(NotifyType.NAT_DETECTION_DESTINATION_IP, this.random(20)),
      notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),
    ];
  }

  /** IKE_SA_INIT, with an SPI that nobody used before where none is given. */
  init(payloads: readonly Payload[] = this.initPayloads(), initiatorSpi: bigint = this.#nextSpi()): Uint8Array {
    const fixed = { responderSpi: 0n, majorVersion: 2, minorVersion: 0, messageId: 0, flags: IkeFlag.INITIATOR };
    return encodeMessage({ initiatorSpi, ...fixed, exchangeType: ExchangeType.IKE_SA_INIT }, payloads);
  }

  #nextSpi(): bigint {
    this.#spi += 1n;
    return this.#spi;
  }

  /** Half an IKE SA: keys, and nothing proven but the address where that was asked for. undefined = no answer. */
  meet(): Insider | undefined {
    const payloads = this.initPayloads();
    const request = this.init(payloads);
    const [answer] = this.throw(request);
    const cookie = answer && cookieIn(answer.octets);
    if (answer === undefined || cookie === undefined) return answer && this.#insider(request, answer);
    const again = this.init([notify(NotifyType.COOKIE, cookie), ...payloads], this.#spi);
    const [second] = this.throw(again);
    return second && this.#insider(again, second);
  }

  /** A response with an SPI of its own: anything else keeps nothing. */
  #insider(request: Uint8Array, { octets }: Datagram): Insider | undefined {
    if (decodeHeader(octets).responderSpi === 0n) return undefined;
    return new Insider(this.sim, "initiator", request, octets);
  }

  /** IDi, AUTH, SAi2, TSi, TSr, as one that is first here. */
  authPayloads(insider: Insider, secret: Uint8Array): Payload[] {
    const who = idPayload("IDi", id(INTRUDER_NAME));
    return [
      who,
      notify(NotifyType.INITIAL_CONTACT),
      idPayload("IDr", id("b.example")),
      insider.proof(who, secret),
      ...this.childPayloads(INTRUDER_SPI),
    ];
  }

  childPayloads(spi: Uint8Array): Payload[] {
    return [
      { kind: "SA", proposals: [{ ...espProposal(), number: 1, spi }] },
      tsPayload("TSi", [selector(INTRUDER_NET)]),
      tsPayload("TSr", [selector("10.2.0.0/16")]),
    ];
  }

  /** A whole IKE SA with a child; the next message ID is 2. */
  establish(secret: Uint8Array): Insider {
    const insider = this.meet();
    assert(insider !== undefined, "the target does not answer");
    const words = { exchangeType: ExchangeType.IKE_AUTH, messageId: 1 };
    const [answer] = this.throw(insider.say(words, this.authPayloads(insider, secret)));
    const heard = answer && insider.hear(answer.octets);
    assert(heard?.some(({ kind }) => kind === "SA") === true, "the target does not believe us");
    return insider;
  }
}

function cookieIn(answer: Uint8Array): Uint8Array | undefined {
  const [first] = decodeChain(decodeHeader(answer).nextPayload, answer, IKE_HEADER_LENGTH);
  return first?.kind === "N" && first.type === NotifyType.COOKIE ? first.data : undefined;
}

export function selector(text: string): TrafficSelector {
  return prefixSelector(prefix(text));
}
