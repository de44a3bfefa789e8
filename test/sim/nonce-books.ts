/** Books on the IVs of IKEv2 messages under AES-GCM: the same one under the same key only with the same octets (RFC 5282 §3.1). */

import { decodeHeader, IKE_HEADER_LENGTH, NEXT_PAYLOAD } from "#wire/ike/header";
import { ExchangeType, PayloadType } from "#wire/ike/numbers";
import type { IkeSim } from "./ike-pair.ts";

const IV_OCTETS = 8;

export class NonceBooks {
  /** By IKE SA, sender and IV. */
  readonly #sealed = new Map<string, string>();
  readonly usedTwice: string[] = [];

  constructor(sim: IkeSim) {
    sim.observers.push({
      done: (node, effect) => {
        if (effect.kind === "send") this.#book(node.name, effect.octets);
      },
    });
  }

  #book(sender: string, octets: Uint8Array): void {
    const { majorVersion, exchangeType, initiatorSpi, responderSpi } = decodeHeader(octets);
    const first = octets[NEXT_PAYLOAD];
    if (majorVersion !== 2 || exchangeType === ExchangeType.IKE_SA_INIT) return;
    if (first !== PayloadType.SK && first !== PayloadType.SKF) return;
    const body = IKE_HEADER_LENGTH + (first === PayloadType.SK ? 4 : 8);
    const iv = Buffer.from(octets.subarray(body, body + IV_OCTETS)).toString("hex");
    const key = `${initiatorSpi} ${responderSpi} ${sender} ${iv}`;
    const message = Buffer.from(octets).toString("latin1");
    const former = this.#sealed.get(key);
    if (former !== undefined && former !== message) this.usedTwice.push(`${sender} used the IV ${iv} twice`);
    this.#sealed.set(key, message);
  }
}
