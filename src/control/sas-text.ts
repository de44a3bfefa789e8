/**
 * `esplanade list-sas` for people, in the layout of `swanctl --list-sas`, which scripts read:
 *
 *     hq: #1, ESTABLISHED, IKEv2, 8d0b6ee1d2dc1f4a_i* 3c5a0a4bd3a1f7e2_r
 *       local  '192.0.2.1' @ 192.0.2.1[4500]
 *       remote '203.0.113.2' @ 203.0.113.2[4500]
 *       AES_GCM_16-256/PRF_HMAC_SHA2_256/CURVE_25519
 *       established 42s ago, rekeying in 13590s
 *       net: #1, reqid 1, INSTALLED, TUNNEL, ESP:AES_GCM_16-256
 *         installed 42s ago, rekeying in 3310s, expires in 3918s
 *         in  c2f06a31,   8400 bytes,   100 packets,     1s ago
 *         out c81d7e02,   8400 bytes,   100 packets,     1s ago
 *         local  10.1.0.0/16
 *         remote 10.2.0.0/16
 */
import type { SaRecord } from "#core/operator";

export function sasText(records: readonly SaRecord[]): string {
  return records
    .flatMap((record) => Object.keys(record).flatMap((name) => ikeLines(name, within(record, name))))
    .map((line) => `${line}\n`)
    .join("");
}

function ikeLines(name: string, sa: SaRecord): string[] {
  const [initiator, responder] = is(sa, "initiator") ? ["*", ""] : ["", "*"];
  const spis = `${text(sa, "initiator-spi")}_i${initiator} ${text(sa, "responder-spi")}_r${responder}`;
  const children = within(sa, "child-sas");
  return [
    `${name}: #${text(sa, "uniqueid")}, ${text(sa, "state")}, IKEv${text(sa, "version")}, ${spis}`,
    ...["local", "remote"].map(
      (side) =>
        `  ${side.padEnd(6)} '${text(sa, `${side}-id`)}' @ ${text(sa, `${side}-host`)}[${text(sa, `${side}-port`)}]`,
    ),
    ...indented(2, suiteText(sa, ["encr-alg", "integ-alg", "prf-alg", "dh-group"])),
    ...indented(2, timesText(sa, [["established", "established", "ago"], ...TIMES])),
    ...Object.keys(children).flatMap((child) => childLines(within(children, child))),
  ];
}

type Time = readonly [key: string, word: string, ago: "ago" | ""];
const TIMES: readonly Time[] = [
  ["rekey-time", "rekeying", ""],
  ["reauth-time", "reauthenticating", ""],
  ["life-time", "expires", ""],
];

function childLines(child: SaRecord): string[] {
  const udp = is(child, "encap") ? "-in-UDP" : "";
  const suite = suiteText(child, ["encr-alg", "integ-alg", "dh-group"]);
  return [
    `  ${text(child, "name")}: #${text(child, "uniqueid")}, reqid ${text(child, "reqid")}, ${text(child, "state")}, ${text(child, "mode")}${udp}, ${text(child, "protocol")}:${suite}`,
    ...indented(4, timesText(child, [["install-time", "installed", "ago"], ...TIMES])),
    ...["in", "out"].map((way) => `    ${wayText(child, way)}`),
    ...["local", "remote"].map((side) => `    ${side.padEnd(6)} ${items(child, `${side}-ts`).join(" ")}`),
  ];
}

function wayText(child: SaRecord, way: string): string {
  const used = text(child, `use-${way}`);
  const parts = [
    `${way.padEnd(3)} ${text(child, `spi-${way}`)}`,
    `${text(child, `bytes-${way}`).padStart(6)} bytes`,
    `${text(child, `packets-${way}`).padStart(5)} packets`,
    ...(used === "" ? [] : [`${used.padStart(5)}s ago`]),
  ];
  return parts.join(", ");
}

/** The lengths of keys stand behind their algorithms. */
function suiteText(record: SaRecord, keys: readonly string[]): string {
  return keys
    .flatMap((key) => {
      const name = text(record, key);
      const length = text(record, key.replace("-alg", "-keysize"));
      return name === "" ? [] : [length === "" || key === "dh-group" ? name : `${name}-${length}`];
    })
    .join("/");
}

function timesText(record: SaRecord, times: readonly Time[]): string {
  return times
    .flatMap(([key, word, ago]) => {
      const seconds = text(record, key);
      if (seconds === "") return [];
      return [ago === "" ? `${word} in ${seconds}s` : `${word} ${seconds}s ago`];
    })
    .join(", ");
}

function indented(depth: number, line: string): string[] {
  return line === "" ? [] : [" ".repeat(depth) + line];
}

function text(record: SaRecord, key: string): string {
  const value = record[key];
  return typeof value === "string" ? value : "";
}

function is(record: SaRecord, key: string): boolean {
  return record[key] === "yes";
}

function items(record: SaRecord, key: string): readonly string[] {
  const value = record[key];
  return isList(value) ? value : [];
}

function within(record: SaRecord, key: string): SaRecord {
  const value = record[key];
  return value === undefined || typeof value === "string" || isList(value) ? {} : value;
}

function isList(value: SaRecord[string] | undefined): value is readonly string[] {
  return Array.isArray(value);
}
