/** Pairs of IPsec SAs that quick mode made: inbound and outbound, of one protocol or an AH+ESP bundle. */

export interface Pair {
  readonly id: number;
}
