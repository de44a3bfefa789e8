import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { SCHEMA, type SchemaName } from "#config/swanctl/schema";
import { packageFile } from "#io/package-file";
import { complaintsOf, type Lines, readText, sample, warningsOf } from "#test/config/swanctl/sample";

const TITLES = {
  tunnel: "tunnel NAME (short form)",
  connection: "connections.NAME",
  local: "connections.NAME.local*",
  remote: "connections.NAME.remote*",
  certificate: "connections.NAME.local*.cert*, .remote*.cert*, .remote*.cacert*",
  child: "connections.NAME.children.NAME",
  secret: "secrets.ike*",
  key: "secrets.private*, rsa*, ecdsa*, pkcs8*",
  authority: "authorities.NAME",
  esplanade: "esplanade",
  tun: "esplanade.tun",
  http: "esplanade.http",
} as const satisfies Partial<Record<SchemaName, string>>;

type Titled = keyof typeof TITLES;

/** Keys that strongSwan's files, VyOS and OPNsense use: 90 % of all uses, and what makes them 98 %. */
const TIERS: Readonly<Record<"A" | "B", Readonly<Partial<Record<Titled, string>>>>> = {
  A: {
    connection:
      "version local_addrs remote_addrs local_port remote_port proposals vips aggressive encap mobike dpd_delay dpd_timeout " +
      "send_certreq send_cert keyingtries unique reauth_time rekey_time over_time rand_time if_id_in if_id_out",
    local: "certs pubkeys auth id",
    remote: "id certs pubkeys revocation auth",
    child:
      "esp_proposals local_ts remote_ts rekey_time life_time rand_time life_bytes life_packets updown mode policies " +
      "dpd_action ipcomp reqid priority if_id_in if_id_out start_action close_action",
    secret: "secret id*",
    authority: "cacert",
  },
  B: {
    connection: "ppk_id ppk_required pools",
    remote: "groups",
    child: "rekey_bytes rand_bytes rekey_packets rand_packets mark_in mark_out",
    key: "file secret",
    authority: "crl_uris",
  },
};

interface Row {
  readonly key: string;
  readonly tier: string;
  readonly state: string;
}

const text = readFileSync(packageFile("docs/configuration-keys.md"), "utf8");
const chapters = new Map(
  text.split(/^## /m).map((chapter) => {
    const [title = "", ...lines] = chapter.split("\n");
    return [title, lines.join("\n")] as const;
  }),
);

function rowsOf(title: string): Row[] {
  return [...(chapters.get(title) ?? "").matchAll(/^\| `(.+?)` \| (\S+) \| (.+) \|$/gm)].map(
    ([, key = "", tier = "", state = ""]) => ({ key, tier, state }),
  );
}

const isTitled = (name: string): name is Titled => Object.hasOwn(TITLES, name);

for (const [name, { keys, idle }] of Object.entries(SCHEMA)) {
  if (!isTitled(name)) {
    test(`the section "${name}" has no keys that a table could have`, () => {
      assert.deepEqual([keys, Object.keys(idle)], [[], []]);
    });
    continue;
  }
  const rows = rowsOf(TITLES[name]);
  test(`docs/configuration-keys.md has every key of "${name}" once, and says which have no effect and why`, () => {
    assert.deepEqual(
      rows.map(({ key }) => key),
      [...keys, ...Object.keys(idle)],
    );
    for (const { key, state } of rows)
      if (Object.hasOwn(idle, key)) assert.equal(state, `no effect: ${idle[key]}`);
      else assert.match(state, /^works|^read, no effect yet/, key);
  });

  for (const tier of ["A", "B"] as const)
    test(`docs/configuration-keys.md has the keys of tier ${tier} of "${name}"`, () => {
      const wanted = (TIERS[tier][name] ?? "").split(" ").filter((key) => key !== "");
      assert.deepEqual(
        rows
          .filter((row) => row.tier === tier)
          .map(({ key }) => key)
          .toSorted(),
        wanted.toSorted(),
      );
    });
}

test("docs/configuration-keys.md has every section without effect", () => {
  const prefixed = (prefix: string, sections: Readonly<Record<string, string>>) =>
    Object.entries(sections).map(([section, why]) => [`${prefix}${section}`, `no effect: ${why}`]);
  assert.deepEqual(
    rowsOf("Sections without effect").map(({ key, state }) => [key, state]),
    [...prefixed("", SCHEMA.file.idleSections), ...prefixed("secrets.", SCHEMA.secrets.idleSections)],
  );
});

/** No key takes it as a value of its kind, and a name or a file is another one with it. */
const ODD = '"?!"';

/** All that reading says: complaints, warnings or the configuration. */
function outcome(lines: Lines): unknown {
  const given = sample(lines);
  const complaints = complaintsOf(given);
  return complaints.length > 0 ? complaints : { warnings: warningsOf(given), config: readText(given).config };
}

type Around = (line: string) => Lines;

const AROUND: Readonly<Partial<Record<Titled, Around>>> = {
  connection: (connection) => ({ connection }),
  local: (local) => ({ local }),
  remote: (remote) => ({ remote }),
  child: (child) => ({ child }),
  esplanade: (line) => ({ file: `esplanade {\n${line}\n}` }),
  tun: (line) => ({ file: `esplanade { tun {\n${line}\n} }` }),
  http: (line) => ({ file: `esplanade { http {\n${line}\n} }` }),
  authority: (line) => ({ file: `authorities { a {\n${line}\n} }` }),
  secret: (line) => ({ file: `secrets { ike-x {\nsecret = 0s${"QUJDREVG".repeat(6)}\n${line}\n} }` }),
  tunnel: (line) => ({
    file: `tunnel x {\npeer = 192.0.2.9\nlocal = 10.1.0.0/24\nremote = 10.9.0.0/24\npsk = 0s${"QUJDREVG".repeat(6)}\n${line}\n}`,
  }),
};

for (const [name, around] of Object.entries(AROUND)) {
  if (!isTitled(name)) continue;
  test(`reading "${name}" twice says the same`, () => assert.deepEqual(outcome(around("")), outcome(around(""))));
  for (const key of [...SCHEMA[name].keys, ...Object.keys(SCHEMA[name].idle)])
    test(`${key} of "${name}" is never dropped silently`, () => {
      assert.notDeepEqual(outcome(around(`${key.replace("*", "")} = ${ODD}`)), outcome(around("")));
    });
}

for (const name of ["connection", "local", "remote", "child"] as const)
  for (const [key, why] of Object.entries(SCHEMA[name].idle))
    test(`${key} of "${name}" is told to have no effect, with its place and the reason`, () => {
      const told = warningsOf(sample({ [name]: `${key} = 1` }));
      const place = { connection: "4:5", local: "6:7", remote: "12:7", child: "10:9" }[name];
      assert.ok(told.includes(`hq.conf:${place}: '${key}' is known, has no effect here; ${why}`), told.join("\n"));
    });
