/** Certificates, revocation lists and the clock they are judged by; files that only their owner may read. */
import type { GatewayConfig } from "#core/policy";
import { parseCertificate } from "#crypto/x509/certificate";
import { describe, validityProblem } from "#crypto/x509/chain";
import { parseCrl } from "#crypto/x509/crl";
import { type Finding, fail, ok, warn } from "./finding.ts";
import type { Machine } from "./machine.ts";

const DAY = 86_400_000;
/** Time to issue another one. */
const SOON = 14 * DAY;
/** No gateway of this version ran before. */
const EPOCH = Date.UTC(2025, 0, 1);

export function credentialFindings(
  machine: Machine,
  config: GatewayConfig | undefined,
  file: string | undefined,
): Finding[] {
  return [clock(machine), ...certificates(machine, config), ...crls(machine, config), ...modes(machine, file)];
}

function clock(machine: Machine): Finding {
  const now = new Date(machine.now()).toISOString();
  return machine.now() < EPOCH
    ? fail("clock", `this machine says it is ${now}: no certificate is valid yet`, "timedatectl set-ntp true")
    : ok("clock", `it is ${now}`);
}

function certificates(machine: Machine, config: GatewayConfig | undefined): Finding[] {
  const { ike } = config ?? {};
  if (ike === undefined) return [];
  const all = [...ike.connections.flatMap(({ local }) => local.certificates), ...ike.credentials.authorities];
  const distinct = [...new Map(all.map((der) => [der.join(), der])).values()];
  return distinct.map((der): Finding => {
    const certificate = parseCertificate(der);
    const problem = validityProblem(certificate, machine.now());
    const name = describe(certificate);
    const [text = name, advice = ""] = problem?.split(/: (?=[^:]*$)/) ?? [];
    if (problem !== undefined && machine.now() < certificate.notBefore)
      return fail("clock", text, `timedatectl set-ntp true, if the clock is wrong; else ${advice}`);
    if (problem !== undefined) return fail("certificate", text, advice);
    const left = Math.floor((certificate.notAfter - machine.now()) / DAY);
    return certificate.notAfter - machine.now() < SOON
      ? warn("certificate", `${name} ends in ${left} days`, "issue a new one and reload")
      : ok("certificate", `${name} is valid for ${left} days more`);
  });
}

function crls(machine: Machine, config: GatewayConfig | undefined): Finding[] {
  return (config?.ike?.credentials.crls ?? []).map((der) => {
    const { thisUpdate, nextUpdate } = parseCrl(der);
    const age = `${Math.floor((machine.now() - thisUpdate) / DAY)} days old`;
    return nextUpdate !== undefined && nextUpdate < machine.now()
      ? warn(
          "crl",
          `a revocation list is ${age} and was to be renewed`,
          "fetch the newer list into x509crl/ and reload",
        )
      : ok("crl", `a revocation list is ${age}`);
  });
}

function modes(machine: Machine, file: string | undefined): Finding[] {
  if (file === undefined) return [];
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : ".";
  const secret = ["private", "rsa", "ecdsa", "pkcs8", "pkcs12"].flatMap((name) =>
    machine.list(`${folder}/${name}`).map((entry) => `${folder}/${name}/${entry}`),
  );
  const open = [file, ...secret].filter((path) => ((machine.mode(path) ?? 0) & 0o077) !== 0);
  return open.length === 0
    ? [ok("file-modes", "only their owner reads the files with secrets")]
    : open.map((path) => fail("file-modes", `others may read ${path}`, `chmod 600 ${path}`));
}
