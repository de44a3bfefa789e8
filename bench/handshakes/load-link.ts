/** The link between a load generator's box and the gateway that it asks, with an address of its own for each source. */
import { changeLink, createVeth, ensureAddress, getLink } from "#io/links";
import type { Box } from "#lab/box";
import { PREFIX_LENGTH, responderAddress, sourceAddresses } from "./plan.ts";

const LINK = "load";

export function joinLoad(generator: Box, gateway: Box): void {
  generator.run(() => createVeth({ name: LINK }, { name: LINK, namespace: { fd: gateway.namespaceFd } }));
  for (const [box, addresses] of [
    [generator, sourceAddresses()],
    [gateway, [responderAddress()]],
  ] as const)
    box.run(() => {
      const { index } = getLink(LINK);
      changeLink(index, { up: true });
      for (const address of addresses) ensureAddress(index, { address, length: PREFIX_LENGTH });
    });
}
