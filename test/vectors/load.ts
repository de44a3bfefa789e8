/** Reads vectors: permissive ones of this folder (PROVENANCE.md), and those of ../shared/vectors beside the repository. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const ROOT = new URL("../../../", import.meta.url);

function parse<T>(text: string): T {
  const value: T = JSON.parse(text);
  return value;
}

export function vectorOctets(path: string): Uint8Array {
  const octets = readFileSync(new URL(`test/vectors/${path}`, ROOT));
  return Uint8Array.from(path.endsWith(".gz") ? gunzipSync(octets) : octets);
}

export function vectorText(path: string): string {
  return Buffer.from(vectorOctets(path)).toString("utf8");
}

export function vectorJson<T>(path: string): T {
  return parse<T>(vectorText(path));
}

/** undefined where the folder is absent; `skipShared` makes a test say so. */
export function sharedJson<T>(path: string): T | undefined {
  const file = new URL(`../shared/vectors/${path}`, ROOT);
  return existsSync(file) ? parse<T>(readFileSync(file, "utf8")) : undefined;
}

/** undefined where the file is absent. */
export function sharedOctets(path: string): Uint8Array | undefined {
  const file = new URL(`../shared/vectors/${path}`, ROOT);
  if (!existsSync(file)) return undefined;
  const octets = readFileSync(file);
  return Uint8Array.from(path.endsWith(".gz") ? gunzipSync(octets) : octets);
}

/** For `test(name, { skip })`. */
export function skipShared(path: string): string | false {
  const file = fileURLToPath(new URL(`../shared/vectors/${path}`, ROOT));
  return existsSync(file) ? false : `${path} is not kept here for its licence (PROVENANCE.md): put it at ${file}`;
}

/** Records of NIST's "NAME = value" files; a blank line ends one. Section names stand in `section`. */
export function responseRecords(path: string): ReadonlyMap<string, string>[] {
  const records: Map<string, string>[] = [];
  let record = new Map<string, string>();
  let section = "";
  for (const line of [...vectorText(path).split(/\r?\n/), ""]) {
    const pair = /^(\w+)\s*=\s*(.*)$/.exec(line);
    const head = /^\[(\w+)\]/.exec(line);
    if (head?.[1] !== undefined) section = head[1];
    else if (pair?.[1] !== undefined) record.set(pair[1], pair[2] ?? "");
    else if (line.trim() === "" && record.size > 0) {
      records.push(record.set("section", section));
      record = new Map<string, string>();
    }
  }
  return records;
}

export function hex(text: string | undefined): Uint8Array {
  return Uint8Array.from(Buffer.from(text ?? "", "hex"));
}

export function toHex(octets: Uint8Array | undefined): string {
  return octets === undefined ? "undefined" : Buffer.from(octets).toString("hex");
}
