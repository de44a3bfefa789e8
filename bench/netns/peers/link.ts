/** The bare link: no tunnel at all, what every other row is a ratio of. */
import type { Candidate } from "#bench/netns/candidate";
import { run } from "#bench/netns/process";
import type { Site } from "#bench/netns/topology";

export const link: Candidate = {
  name: "link",
  title: "bare veth pair, no tunnel",
  find: () => ({ kind: "present", version: "the kernel's" }),
  async start({ a, b }) {
    for (const gateway of [a, b]) routeOver(gateway);
  },
};

function routeOver({ namespace, remotePrefix, peerWan, lan }: Site): void {
  run("ip", "-n", namespace, "route", "add", remotePrefix, "via", peerWan, "src", lan);
}
