/** A NAT in front of one gateway: its datagrams come from another address and port, and answers find back. */
import { compareAddresses } from "#core/address";
import { endpoint, type IkeSim } from "./ike-pair.ts";

const OUTSIDE = endpoint("203.0.113.9", 0).address;
const FIRST_PORT = 40_000;

export class Nat {
  /** Of port 500; that of 4500 is the next one. */
  #port = FIRST_PORT;

  constructor(sim: IkeSim, inner: string) {
    const inside = endpoint(inner, 0).address;
    sim.translate = (datagram) => {
      const { from, to } = datagram;
      if (compareAddresses(from.address, inside) === 0)
        return { ...datagram, from: { address: OUTSIDE, port: this.#port + (from.port === 500 ? 0 : 1) } };
      if (compareAddresses(to.address, OUTSIDE) !== 0) return datagram;
      const offset = to.port - this.#port;
      if (offset !== 0 && offset !== 1) return undefined;
      return { ...datagram, to: { address: inside, port: offset === 0 ? 500 : 4500 } };
    };
  }

  /** The mapping is forgotten: other ports from now on. */
  remap(): void {
    this.#port += 10;
  }
}
