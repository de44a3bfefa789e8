import assert from "node:assert/strict";
import test from "node:test";
import { parseAddress } from "#core/address";
import { silenceText } from "#ike/failure-details";

const ENDS = { sends: 6, millis: 31_400 };

function peer(text: string) {
  const address = parseAddress(text);
  assert.ok(address !== undefined);
  return { address, port: 500 };
}

test("silent, refused and unreachable are three sentences, each with sends and seconds", () => {
  const said = (answer: "silent" | "refused" | "unreachable") => silenceText(peer("192.0.2.2"), { ...ENDS, answer });
  assert.equal(
    said("silent"),
    "no answer from 192.0.2.2:500 after 6 sends in 31 s (no ICMP error; is UDP 500 filtered?)",
  );
  assert.equal(
    said("refused"),
    "192.0.2.2:500 refuses: no IKE daemon listens there (ICMP port unreachable, after 6 sends in 31 s)",
  );
  assert.equal(said("unreachable"), "192.0.2.2:500 cannot be reached (ICMP unreachable, after 6 sends in 31 s)");
});

test("one send is no plural, and an IPv6 address stands in brackets", () => {
  const text = silenceText(peer("2001:db8::2"), { answer: "silent", sends: 1, millis: 999 });
  assert.match(text, /^no answer from \[2001:db8::2\]:500 after 1 send in 1 s/);
});
