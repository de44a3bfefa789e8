/** The commands there are; each is loaded only when it is used. */
import type { Command } from "./command.ts";

const OTHERS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import("./demo.ts")).demo,
  bench: async () => (await import("./bench.ts")).bench,
  pair: async () => (await import("./pair.ts")).pair,
  check: async () => (await import("./check.ts")).check,
  import: async () => (await import("./import.ts")).importer,
  export: async () => (await import("./export.ts")).exporter,
  capacity: async () => (await import("./capacity.ts")).capacity,
  up: async () => (await import("./up.ts")).up,
  run: async () => (await import("./run.ts")).run,
  service: async () => (await import("./service.ts")).service,
  reload: async () => (await import("./reload.ts")).reload,
  diff: async () => (await import("./diff.ts")).diff,
  upgrade: async () => (await import("./upgrade.ts")).upgrade,
  doctor: async () => (await import("./doctor.ts")).doctor,
  probe: async () => (await import("./probe.ts")).probe,
  mtu: async () => (await import("./mtu.ts")).mtu,
  ping: async () => (await import("./ping.ts")).ping,
  why: async () => (await import("./why.ts")).why,
  "why-packet": async () => (await import("./why-packet.ts")).whyPacket,
  wait: async () => (await import("./wait.ts")).wait,
  status: async () => (await import("./status.ts")).status,
  top: async () => (await import("./top.ts")).top,
  "list-sas": async () => (await import("./list-sas.ts")).listSas,
  initiate: async () => (await import("./initiate.ts")).initiate,
  terminate: async () => (await import("./terminate.ts")).terminate,
  "allow-clear": async () => (await import("./allow-clear.ts")).allowClear,
  rekey: async () => (await import("./rekey.ts")).rekey,
  prometheus: async () => (await import("./prometheus.ts")).prometheus,
  grafana: async () => (await import("./grafana.ts")).grafana,
  pki: async () => (await import("./pki.ts")).pki,
  trace: async () => (await import("./trace.ts")).trace,
  bugreport: async () => (await import("./bugreport.ts")).bugreport,
};

export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  ...OTHERS,
  completion: async () => (await import("./completion.ts")).completionOf(OTHERS),
};
