/** Section `http` within `esplanade`: where monitors and browsers may look at the gateway. Nowhere unless it is there. */
import { isUnspecified, parseEndpoint } from "#config/endpoints";
import { type Endpoint, type IpAddress, parseAddress } from "#core/address";
import type { HttpConfig } from "#core/policy";
import type { Findings } from "./findings.ts";
import type { Section } from "./inherit.ts";
import { SectionReader } from "./section-reader.ts";

const PORT = 9850;

export function readHttp(section: Section | undefined, findings: Findings): HttpConfig | undefined {
  if (section === undefined) return undefined;
  const reader = new SectionReader(section, "http", "esplanade.http", findings);
  const remote = reader.boolean("remote", false);
  const listen = reader.has("listen") ? readListen(reader, remote) : defaultListen();
  const socket = reader.text("socket");
  if (socket !== undefined && !/^\/[^\0]{1,106}$/.test(socket))
    reader.wrong("socket", `'${socket}' is no path of a socket`, "give a path from the root of at most 107 octets");
  const hosts: string[] = [];
  for (const { text, place } of reader.list("hosts"))
    if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text)) hosts.push(text.toLowerCase());
    else findings.error(place, `'${text}' is no name of a host`, "for example gw.example.org");
  return { listen, socket, hosts };
}

function defaultListen(): readonly Endpoint[] {
  const address = parseAddress("127.0.0.1");
  return address === undefined ? [] : [{ address, port: PORT }];
}

/** "none": the socket alone. */
function readListen(reader: SectionReader, remote: boolean): readonly Endpoint[] {
  const endpoints: Endpoint[] = [];
  const items = reader.list("listen");
  if (items.length === 1 && items[0]?.text === "none") return [];
  for (const { text, place } of items) {
    const endpoint = parseEndpoint(text);
    if (endpoint === undefined) {
      reader.findings.error(
        place,
        `'${text}' is no address with or without a port`,
        "for example 127.0.0.1:9850, [::1]:9850",
      );
      continue;
    }
    const { address, port } = endpoint;
    if (!isLoopback(address) && !remote)
      reader.findings.error(
        place,
        `'${text}' can be reached from other hosts, and who reaches it sees all tunnels`,
        isUnspecified(address)
          ? "give 127.0.0.1, or write remote = yes if a firewall stands before it"
          : "give 127.0.0.1 and a proxy with authentication, or write remote = yes if a firewall stands before it",
      );
    else endpoints.push({ address, port: port === 0 ? PORT : port });
  }
  return endpoints;
}

/** RFC 1122 §3.2.1.3, RFC 4291 §2.5.3. */
function isLoopback({ family, octets }: IpAddress): boolean {
  return family === 4 ? octets[0] === 127 : octets.every((octet, i) => octet === (i === octets.length - 1 ? 1 : 0));
}
