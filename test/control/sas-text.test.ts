import assert from "node:assert/strict";
import { test } from "node:test";
import { answerLine } from "#control/answer";
import { sasText } from "#control/sas-text";
import { SampleGateway } from "./vici/sample.ts";

test("list-sas over the control socket has swanctl's layout", async () => {
  const { ok, sas } = JSON.parse(await answerLine('{"kind":"sas"}', new SampleGateway()));
  assert.equal(ok, true);
  assert.match(
    sasText(sas),
    /^hq: #\d+, ESTABLISHED, IKEv2, [0-9a-f]{16}_i\*? [0-9a-f]{16}_r\*?\n {2}local {2}'[^']+' @ [0-9a-f.:]+\[\d+\]\n {2}remote '[^']+' @ [0-9a-f.:]+\[\d+\]\n {2}AES_\S+\/PRF_\S+\n {2}established \d+s ago[^\n]*\n {2}net: #\d+, reqid 1, INSTALLED, TUNNEL(-in-UDP)?, ESP:AES_\S+\n {4}installed \d+s ago, rekeying in \d+s(, expires in \d+s)?\n {4}in {2}[0-9a-f]{8}, +\d+ bytes, +\d+ packets(, +\d+s ago)?\n {4}out [0-9a-f]{8}, +\d+ bytes, +\d+ packets(, +\d+s ago)?\n {4}local {2}10\.[^\n]+\n {4}remote 10\.[^\n]+\n$/,
  );
});

test("a gateway without SAs lists none, and what is not known is left out", () => {
  assert.equal(sasText([]), "");
  assert.equal(
    sasText([
      { hq: { uniqueid: "3", version: "1", state: "CONNECTING", "initiator-spi": "01", "responder-spi": "00" } },
    ]),
    "hq: #3, CONNECTING, IKEv1, 01_i 00_r*\n  local  '' @ []\n  remote '' @ []\n",
  );
});
