/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { EVENT_ACTIONS, type SecurityEvent } from "@farglass/protocol";
import { fullEvent, SAMPLE_EVENTS, SAMPLE_SESSION } from "../../../tests/support/event_samples.ts";
import { ECS, ecsProblems, OCSF, ocsfProblems } from "../../testing/schema_checks.ts";
import { ECS_VERSION, toEcs } from "./ecs.ts";
import { type Json, messageOf } from "./facts.ts";
import { OCSF_ACTIVITIES, OCSF_CLASSES, OCSF_VERSION, toOcsf } from "./ocsf.ts";

const written = (doc: Json) => JSON.parse(JSON.stringify(doc));

Deno.test("toEcs: every action has known fields of the right types, and the required ones", () => {
  for (const event of SAMPLE_EVENTS) {
    const doc = toEcs(event);
    assert.deepEqual(ecsProblems(written(doc)), [], event.action);
    assert.deepEqual(written(doc), doc, "nothing is undefined");
  }
  assert.equal(ECS_VERSION.split(".")[0], ECS.version.split(".")[0]);
});

Deno.test("toOcsf: every action has known attributes, the required ones, and sums of uids", () => {
  for (const event of SAMPLE_EVENTS) {
    const doc = toOcsf(event);
    assert.deepEqual(ocsfProblems(written(doc)), [], event.action);
    assert.deepEqual(written(doc), doc, "nothing is undefined");
  }
  assert.equal(OCSF_VERSION, OCSF.version);
});

Deno.test("the checks find what is wrong", () => {
  const ecs = toEcs(fullEvent("sign-in"));
  const event = ecs.event as Json;
  const badEcs: readonly [Json, RegExp][] = [
    [{ ...ecs, colour: "red" }, /colour is no field/],
    [{ ...ecs, "@timestamp": 5 }, /@timestamp: 5/],
    [{ ...ecs, event: { ...event, category: ["gardening"] } }, /gardening is not allowed/],
    [{ ...ecs, event: { ...event, type: ["denied"] } }, /denied fits none/],
    [{ ...ecs, event: { ...event, type: "start" } }, /event\.type: array or not/],
    [{ ...ecs, source: { ip: "localhost" } }, /source\.ip: "localhost"/],
    [{ ...ecs, labels: { rtt: 5 } }, /labels: /],
  ];
  for (const [doc, problem] of badEcs) assert.match(ecsProblems(doc).join("\n"), problem);
  const ocsf = toOcsf(fullEvent("session-started"));
  const badOcsf: readonly [Json, RegExp][] = [
    [{ ...ocsf, type_uid: 1 }, /type_uid/],
    [{ ...ocsf, severity_id: 9 }, /severity_id: 9 is not in the enumeration/],
    [{ ...ocsf, time: "now" }, /time: "now"/],
    [{ ...ocsf, colour: "red" }, /colour is no attribute/],
    [{ ...ocsf, metadata: { version: OCSF_VERSION } }, /metadata\.product is missing/],
    [{ ...ocsf, dst_endpoint: {} }, /dst_endpoint has none of/],
    [{ ...ocsf, dst_endpoint: undefined, src_endpoint: undefined }, /has none of/],
    [{ ...ocsf, metadata: { ...(ocsf.metadata as Json), profiles: [] } }, /needs the profile host/],
  ];
  for (const [doc, problem] of badOcsf) {
    assert.match(ocsfProblems(written(doc)).join("\n"), problem);
  }
});

Deno.test("shapes: who, what, from where, which session, why", () => {
  const event = fullEvent("desktop-transport-fallback", { reason: "rtp-stalled" });
  const ecs = toEcs(event);
  const labels = ecs.labels as Json;
  assert.deepEqual(ecs.user, { id: "0011aabb", name: "operator 0011" });
  assert.deepEqual(ecs.source, { address: "192.0.2.7", ip: "192.0.2.7" });
  assert.deepEqual(ecs.user_agent, { original: "Mozilla/5.0" });
  assert.equal(labels.session_id, SAMPLE_SESSION);
  assert.equal(labels.detail_to, "diff-ws");
  assert.equal(labels.evidence_rttMs, "250");
  assert.equal((ecs.event as Json).reason, "rtp-stalled");
  assert.equal(
    ecs.message,
    "The picture fell back to a lesser transport: The desktop changes but no video frame arrives",
  );
  assert.equal(ecs.message, messageOf(event));
  const ocsf = toOcsf(event);
  assert.equal(ocsf.type_uid, 400506);
  assert.equal((ocsf.unmapped as Json).evidence_rttMs, 250);
  assert.deepEqual(ocsf.src_endpoint, { ip: "192.0.2.7" });
  assert.equal((ocsf.dst_endpoint as Json).uid, event.target?.desktopId);
  assert.equal((ocsf.metadata as Json).uid, event.id);
});

Deno.test("toEcs: a user stands beside an address of his own only", () => {
  const agent = { kind: "agent", id: "22222222-2222-4222-8222-222222222222" } as const;
  const operator = { id: "0011aabb", name: "operator 0011" };
  const by = (actor: SecurityEvent["actor"]) => toEcs(fullEvent("desktop-webrtc-state", { actor }));
  assert.equal(by(agent).user, undefined, "the address is the agent's");
  assert.deepEqual((by(agent).related as Json).user, [operator.id, operator.name]);
  assert.deepEqual(by({ kind: "server" }).user, operator);
});

Deno.test("shapes: the product's own tables agree with the published captions", () => {
  for (const action of EVENT_ACTIONS) {
    const { class: kind } = OCSF_ACTIVITIES[action];
    assert.equal(OCSF.classes[OCSF_CLASSES[kind].uid].caption, OCSF_CLASSES[kind].name);
  }
  assert.deepEqual(
    ["offered", "answered", "degraded"].map((stage) =>
      toOcsf(fullEvent("desktop-webrtc-state", {
        details: { stage, elapsedMs: 1, retries: 0, transport: "none" },
      } as never)).activity_id
    ),
    [3, 4, 99],
  );
});
