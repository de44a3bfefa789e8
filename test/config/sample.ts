/** A small valid configuration as plain data, and what reading it or a changed copy gives. */
import { type ReadConfig, readConfig } from "#config/gateway";
import type { SecretFile } from "#config/keys";
import { ConfigError } from "#core/errors";

export const KEY_A: string = `${"00".repeat(19)}a1`;
export const KEY_B: string = `${"00".repeat(19)}b2`;

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export const SA: JsonObject = {
  policy: "net",
  local: "192.0.2.1",
  remote: "192.0.2.2",
  suite: "aes128gcm16",
  inbound: { spi: "0x1001", key: KEY_A },
  outbound: { spi: "0x2001", key: KEY_B },
};

export const POLICY: JsonObject = { name: "net", action: "protect", local: "10.1.0.0/24", remote: "10.2.0.0/24" };

export function sample(changes: JsonObject = {}): JsonObject {
  return { tun: { name: "esp0" }, oneTimeKeys: true, policies: [POLICY], sas: [SA], ...changes };
}

export function withSa(changes: JsonObject, gateway: JsonObject = {}): JsonObject {
  return sample({ sas: [{ ...SA, ...changes }], ...gateway });
}

export function readText(text: string, files: Readonly<Record<string, SecretFile>> = {}): ReadConfig {
  const octets = new TextEncoder().encode(text);
  return readConfig({ name: "gw.json", octets, mode: 0o600 }, (path) => {
    const file = files[path];
    if (file === undefined) throw new Error(`${path}: no such file`);
    return file;
  });
}

export function read(value: JsonObject, files: Readonly<Record<string, SecretFile>> = {}): ReadConfig {
  return readText(JSON.stringify(value), files);
}

/** The complaints as "path: problem; remedy". */
export function complaintsOf(value: JsonObject, files: Readonly<Record<string, SecretFile>> = {}): string[] {
  return complaintsOfText(JSON.stringify(value), files).map((line) => line.replace(/^gw\.json:\d+:\d+: /, ""));
}

export function complaintsOfText(text: string, files: Readonly<Record<string, SecretFile>> = {}): string[] {
  try {
    readText(text, files);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}
