/** list-certs: certificates, keys and revocation lists that are loaded. */
import type { CertificateInventory } from "#core/inventory";
import type { Command, EventMessage } from "./command.ts";
import { blob, flag, type Message, textOf, value } from "./message.ts";
import type { ViciWorld } from "./world.ts";

type Kind = CertificateInventory["kind"];

const TYPES: Readonly<Record<Kind, string>> = { certificate: "X509", crl: "X509_CRL", "public-key": "PUBKEY" };
/** In strongSwan's order. */
const ORDER: readonly ((one: CertificateInventory) => boolean)[] = [
  ({ kind }) => kind === "public-key",
  ({ kind, ca }) => kind === "certificate" && !ca,
  ({ kind, ca }) => kind === "certificate" && ca,
  ({ kind }) => kind === "crl",
];
/** What swanctl --list-certs takes for --type, besides the names of types. */
const WORDS: Readonly<Record<string, { readonly type: string; readonly flag: string }>> = {
  x509: { type: "X509", flag: "NONE" },
  x509ca: { type: "X509", flag: "CA" },
  x509crl: { type: "X509_CRL", flag: "ANY" },
  x509_crl: { type: "X509_CRL", flag: "ANY" },
  pubkey: { type: "PUBKEY", flag: "ANY" },
  any: { type: "ANY", flag: "ANY" },
};

export function listCerts({ inventory }: ViciWorld): Command {
  return (request) => {
    const all = inventory.certificates().filter(filterOf(request));
    const events = ORDER.flatMap((holds) => all.filter(holds)).map(
      (one): EventMessage => ({ event: "list-cert", message: certificateMessage(one) }),
    );
    return { events, response: [] };
  };
}

function filterOf(request: Message): (one: CertificateInventory) => boolean {
  const word = textOf(request, "type") ?? "ANY";
  const given = textOf(request, "flag") ?? "ANY";
  const subject = textOf(request, "subject");
  const known = WORDS[word] ?? { type: word, flag: given };
  const wanted = word === word.toUpperCase() ? { type: word, flag: given } : known;
  return (one) =>
    (wanted.type === "ANY" || wanted.type === TYPES[one.kind]) &&
    (wanted.flag === "ANY" || one.kind !== "certificate" || wanted.flag === flagOf(one)) &&
    (subject === undefined || subject === one.subject);
}

function flagOf({ ca }: CertificateInventory): "CA" | "NONE" {
  return ca ? "CA" : "NONE";
}

function certificateMessage(one: CertificateInventory): Message {
  return [
    value("type", TYPES[one.kind]),
    one.kind === "certificate" ? value("flag", flagOf(one)) : [],
    flag("has_privkey", one.hasKey),
    blob("data", one.der),
  ].flat();
}
