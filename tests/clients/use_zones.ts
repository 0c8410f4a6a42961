// Zones, through the client that openapi-typescript and openapi-fetch make of the document: `node use_zones.ts ORIGIN`.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

type JobResult = components["schemas"]["JobResult"];
type Failure = components["schemas"]["Failure"];
type ZoneResult = components["schemas"]["ZoneResult"];

// Errors have two forms; without `Accept: application/problem+json` they have the first.
const client = createClient<paths, "application/json">({ baseUrl: process.argv[2] });

const login = await client.PUT("/accounts/login", {
  body: { logInByAccount: { accountName: "admin", password: "password" } },
});
assert(login.data);
const { uuid: token } = login.data.inventory;
client.use({ onRequest: ({ request }) => request.headers.set("Authorization", `OAuth ${token}`) });

/** What a job has ended with. */
async function resultOf(location: string): Promise<{ done?: JobResult; failed?: Failure }> {
  const params = { path: { uuid: location.split("/").at(-1)! }, header: { Prefer: "wait=5" } };
  for (;;) {
    const { data, error, response } = await client.GET("/api-jobs/{uuid}", { params });
    if (error) return { failed: error };
    if (response.status === 200) return { done: data };
  }
}

const created = await client.POST("/zones", { body: { params: { name: "made with TypeScript" } } });
assert.equal(created.response.status, 202);
assert(created.data && "location" in created.data);
const { done } = await resultOf(created.data.location);
const zone = (done as ZoneResult).inventory;
assert.equal(zone.state satisfies "Enabled" | "Disabled", "Enabled");

const q = ["name~=%TypeScript", `uuid=${zone.uuid}`];
const found = await client.GET("/zones", { params: { query: { q, replyWithCount: true } } });
assert.equal(found.data?.total, 1);
assert.deepEqual(found.data.inventories, [zone]);

const one = { path: { uuid: zone.uuid }, header: { Prefer: "wait=10" } };
const update = { updateZone: { description: "updated" } };
const updated = await client.PUT("/zones/{uuid}/actions", { params: one, body: update });
assert(updated.data && "inventory" in updated.data);
assert.equal(updated.data.inventory.description, "updated");
const change = { changeZoneState: { stateEvent: "disable" } } as const;
const changed = await client.PUT("/zones/{uuid}/actions", { params: one, body: change });
assert(changed.data && "inventory" in changed.data);
assert.equal(changed.data.inventory.state, "Disabled");

const deleted = await client.DELETE("/zones/{uuid}", { params: one });
assert.equal(deleted.response.status, 200);

const late = await client.PUT("/zones/{uuid}/actions", { params: { path: { uuid: zone.uuid } }, body: update });
assert(late.data && "location" in late.data);
const { failed } = await resultOf(late.data.location);
assert.equal(failed?.error.code, "SYS.1003");
const refused = await client.GET("/zones", { params: { query: { q: ["colour=red"] } } });
assert.match(refused.error?.error.details ?? "", /colour/);

console.log("all is well");
