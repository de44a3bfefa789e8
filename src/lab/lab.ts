/** The whole lab: network, traffic agents, gateways; one call takes everything away. */
import { addressToString } from "#core/address";
import { Agent, type Target } from "./agent.ts";
import type { Box } from "./box.ts";
import type { LabProcess } from "./children.ts";
import { type GatewayJson, gatewayConfigs, type TunnelPlan } from "./gateway-config.ts";
import { GatewayProcess } from "./gateway-process.ts";
import type { LabFiles } from "./ike-config.ts";
import { type Addresses, LabNetwork, SITE_A, SITE_B } from "./network.ts";
import { WireTap } from "./wire-tap.ts";

export interface Gateways {
  readonly a: GatewayProcess;
  readonly b: GatewayProcess;
}

export class Lab implements AsyncDisposable {
  readonly network: LabNetwork;
  /** How each is told that it is over. */
  readonly #processes = new Map<LabProcess, NodeJS.Signals | "disconnect">();
  readonly #taps: WireTap[] = [];

  #closed = false;

  /** `mtu` is that of every link. */
  constructor(mtu: number) {
    this.network = new LabNetwork(mtu);
  }

  async startAgent(box: Box): Promise<Agent> {
    return Agent.start(box, (process) => this.#keep(process, "disconnect"));
  }

  /** Agents on both hosts. */
  async startHosts(): Promise<{ readonly a: Agent; readonly b: Agent }> {
    const { hostA, hostB } = this.network;
    const [a, b] = await Promise.all([this.startAgent(hostA), this.startAgent(hostB)]);
    return { a, b };
  }

  /** A gateway that is starting. */
  launch(box: Box, config: GatewayJson): GatewayProcess {
    return this.#launched(new GatewayProcess(box, { kind: "json", config }));
  }

  /** A gateway that is starting and negotiates its keys: the files around its swanctl.conf. */
  launchIke(box: Box, files: LabFiles): GatewayProcess {
    return this.#launched(new GatewayProcess(box, { kind: "swanctl", files }));
  }

  #launched(gateway: GatewayProcess): GatewayProcess {
    // Its routes and rules go with the namespace.
    this.#keep(gateway.process, "SIGKILL");
    return gateway;
  }

  /** Both gateways, ready, with fresh keys. */
  async startGateways(plan: TunnelPlan): Promise<Gateways> {
    const { a, b } = gatewayConfigs(plan);
    const gateways = {
      a: this.launch(this.network.gatewayA, a),
      b: this.launch(this.network.gatewayB, b),
    };
    await Promise.all([gateways.a.ready(), gateways.b.ready()]);
    return gateways;
  }

  openTap(): WireTap {
    const tap = new WireTap([this.network.gatewayA, this.network.gatewayB]);
    this.#taps.push(tap);
    return tap;
  }

  #keep(process: LabProcess, farewell: NodeJS.Signals | "disconnect"): void {
    if (this.#closed) process.signal("SIGKILL");
    this.#processes.set(process, farewell);
    void process.ended.then(() => this.#processes.delete(process));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#processes].map(([process, farewell]) => process.end(farewell)));
    for (const tap of this.#taps) tap[Symbol.dispose]();
    this.network[Symbol.dispose]();
  }
}

/** An agent at one of its box's addresses. */
export function at(agent: Agent, addresses: Addresses, family: 4 | 6): Target {
  return { agent, address: addressToString(addresses[family]) };
}

export const hostA = (agent: Agent, family: 4 | 6 = 4): Target => at(agent, SITE_A.host, family);
export const hostB = (agent: Agent, family: 4 | 6 = 4): Target => at(agent, SITE_B.host, family);
