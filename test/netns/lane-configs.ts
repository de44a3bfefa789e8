/** Configurations of gateways with several lanes and keys by hand. */
import assert from "node:assert/strict";
import { type GatewayJson, gatewayConfigs, type TunnelPlan } from "#lab/gateway-config";

interface SaList {
  readonly sas: readonly object[];
}

/** The lab's configurations, each SA pair as often as there are lanes, with keys and SPIs of its own. */
export function laneConfigs(plan: TunnelPlan, lanes: number): { readonly a: GatewayJson; readonly b: GatewayJson } {
  const ofLanes = Array.from({ length: lanes }, (_, lane) => {
    const { a, b } = gatewayConfigs(plan);
    const sasOf = (config: GatewayJson) => {
      const { sas: given } = config;
      const text = JSON.stringify({ sas: given }).replace(
        /"spi":"(0x[0-9a-f]+)"/g,
        (_, spi) => `"spi":${Number(spi) * lanes + lane}`,
      );
      const { sas }: SaList = JSON.parse(text);
      return sas.map((sa) => ({ ...sa, lane }));
    };
    return { a, b, sasOfA: sasOf(a), sasOfB: sasOf(b) };
  });
  const [first] = ofLanes;
  assert.ok(first);
  return {
    a: { ...first.a, lanes, sas: ofLanes.flatMap(({ sasOfA }) => sasOfA) },
    b: { ...first.b, lanes, sas: ofLanes.flatMap(({ sasOfB }) => sasOfB) },
  };
}
