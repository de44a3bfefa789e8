/** A numbered UDP stream each way between the lab's hosts: what must come through whole, whatever is measured beside it. */
import type { Agent } from "#lab/agent";
import { hostA, hostB } from "#lab/lab";

const OCTETS = 200;

export interface StreamFigures {
  /** Of both streams. */
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly damaged: number;
  /** Longest time without a datagram of a stream, in milliseconds. */
  readonly longestGap: number;
}

/** `rate`: datagrams a second of each stream. An agent takes a flow's number once: those are `first` and the one behind. */
export async function numberedStreams(
  { a, b }: { readonly a: Agent; readonly b: Agent },
  seconds: number,
  rate: number,
  first = 1,
): Promise<StreamFigures> {
  const [forth, back] = [first, first + 1];
  const count = Math.round(seconds * rate);
  const [there, thence] = await Promise.all([
    a.flow(hostB(b), forth, count, rate, OCTETS),
    b.flow(hostA(a), back, count, rate, OCTETS),
  ]);
  const reports = [await b.finalFlowReport(forth, there.sent), await a.finalFlowReport(back, thence.sent)];
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const sent = there.sent + thence.sent;
  return {
    sent,
    lost: sent - sum(reports.map(({ received }) => received)),
    duplicated: sum(reports.map(({ duplicates }) => duplicates)),
    reordered: sum(reports.map(({ reordered }) => reordered)),
    damaged: sum(reports.map(({ damaged }) => damaged)),
    longestGap: Math.max(...reports.map(({ longestGap }) => longestGap)),
  };
}
