import { describe, expect, it } from "vitest";
import { CofferError } from "../../src/std/index.ts";
import { createMetrics } from "../src/metrics.ts";
import { createRelayMetrics } from "../src/relay-metrics.ts";
import { createTestRelay, createUser, joinTenant, origin, TestTenant } from "./fixtures.ts";

const ask = (relay: { fetch(request: Request): Promise<Response> }, path: string): Promise<Response> =>
  relay.fetch(new Request(origin + path));

describe("numbers", () => {
  it("are text that Prometheus reads: sums, buckets that hold the ones below, escaped labels", async () => {
    const metrics = createMetrics();
    const counter = metrics.counter("a_total", "What.", ["kind"]);
    counter.add(1, "x");
    counter.add(2, "x");
    counter.add(1, 'q"\\\n');
    metrics.counter("b_total", "Nothing yet.");
    const seconds = metrics.histogram("c_seconds", "How long.", [0.1, 1], ["route"]);
    for (const value of [0.05, 0.5, 7]) seconds.observe(value, "r");
    metrics.gauge("d", "Now.", () => 5);
    metrics.gauge("e", "Cannot be read.", () => Promise.reject(new Error("no")));
    expect(await metrics.render()).toBe(
      [
        "# HELP a_total What.",
        "# TYPE a_total counter",
        'a_total{kind="x"} 3',
        'a_total{kind="q\\"\\\\\\n"} 1',
        "# HELP b_total Nothing yet.",
        "# TYPE b_total counter",
        "b_total 0",
        "# HELP c_seconds How long.",
        "# TYPE c_seconds histogram",
        'c_seconds_bucket{route="r",le="0.1"} 1',
        'c_seconds_bucket{route="r",le="1"} 2',
        'c_seconds_bucket{route="r",le="+Inf"} 3',
        'c_seconds_sum{route="r"} 7.55',
        'c_seconds_count{route="r"} 3',
        "# HELP d Now.",
        "# TYPE d gauge",
        "d 5",
        "# HELP e Cannot be read.",
        "# TYPE e gauge",
        "",
      ].join("\n"),
    );
  });

  it("stay bounded, whatever the labels are", async () => {
    const metrics = createMetrics();
    const counter = metrics.counter("a_total", "What.", ["kind"]);
    const seconds = metrics.histogram("b_seconds", "How long.", [1], ["kind"]);
    for (let i = 0; i < 5000; i++) {
      counter.add(1, String(i));
      seconds.observe(1, String(i));
    }
    counter.add(1, "0");
    const text = await metrics.render();
    expect(text.match(/^a_total\{/gm)).toHaveLength(1000);
    expect(text.match(/^b_seconds_count\{/gm)).toHaveLength(1000);
    expect(text).toContain('a_total{kind="0"} 2');
  });

  it("of a relay count its work, and name nobody", async () => {
    const metrics = createMetrics();
    const test = await createTestRelay({ metrics: createRelayMetrics(metrics) });
    const [anna, stranger] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna);
    const client = await joinTenant(test, tenant, anna);
    const commit = await tenant.write(anna);
    await client.push(tenant.dbId, commit, await tenant.write(stranger));
    await ask(test.relay, `/v1/t/${tenant.tenantId}/live`);
    await ask(test.relay, "/nothing");
    const text = await metrics.render();
    expect(text).toContain('coffer_requests_total{route="sync",status="200"} 1');
    expect(text).toContain('coffer_requests_total{route="publish",status="201"} 1');
    expect(text).toContain('coffer_requests_total{route="live",status="426"} 1');
    expect(text).toContain('coffer_requests_total{route="none",status="404"} 1');
    expect(text).toContain('coffer_commits_total{outcome="accepted"} 1');
    expect(text).toContain('coffer_commits_total{outcome="access/denied"} 1');
    expect(text).toContain(`coffer_commit_bytes_total ${commit.bytes.length}`);
    expect(text).toContain('coffer_request_seconds_count{route="sync"} 1');
    for (const id of [tenant.tenantId, tenant.dbId, anna.key, commit.commitHash])
      for (let at = 0; at + 8 <= id.length; at++) expect(text).not.toContain(id.slice(at, at + 8));
  });
});

describe("a relay is ready", () => {
  it("when its storage answers, and alive without it", async () => {
    const test = await createTestRelay();
    expect((await ask(test.relay, "/sync/ready")).status).toBe(200);
    const failing = {
      ...test.storage,
      readTenant: () => Promise.reject(new CofferError("store/failed", { message: "secret" })),
    };
    const { relay } = await createTestRelay({ storage: failing });
    expect((await ask(relay, "/sync/ready")).status).toBe(503);
    expect(await (await ask(relay, "/sync/health")).json()).toEqual({ ok: true });
  });

  it("not while its storage is silent: the question ends after two seconds, and is asked once", async () => {
    const test = await createTestRelay();
    let asked = 0;
    const silent = {
      ...test.storage,
      readTenant: () => {
        asked++;
        return new Promise<never>(() => undefined);
      },
    };
    const { relay, env } = await createTestRelay({ storage: silent });
    const answers = Array.from({ length: 50 }, () => ask(relay, "/sync/ready"));
    await Promise.resolve();
    env.advance(2100);
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(503);
    expect(asked).toBe(1);
  });

  it("no more once it is to stop, while it goes on answering", async () => {
    const test = await createTestRelay();
    const user = await createUser();
    const tenant = await TestTenant.withUsers(user);
    const client = await joinTenant(test, tenant, user);
    test.relay.drain();
    const answer = await ask(test.relay, "/sync/ready");
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: "store/closed" });
    expect(answer.headers.get("Retry-After")).not.toBeNull();
    expect(await client.push(tenant.dbId, await tenant.write(user))).toMatchObject([{ status: "accepted" }]);
  });
});

describe("a tenant that was removed", () => {
  it("is unknown to its members, and when it is published again, its members and commits count anew", async () => {
    const test = await createTestRelay();
    const [anna, bert] = [await createUser(), await createUser()];
    const tenant = await TestTenant.withUsers(anna, bert);
    const client = await joinTenant(test, tenant, anna);
    await client.push(tenant.dbId, await tenant.write(anna));
    expect(await test.storage.removeTenant(tenant.tenantId)).toBe(true);
    await expect(client.pull()).rejects.toMatchObject({ code: "access/unauthenticated" });
    const again = await joinTenant(test, tenant, bert);
    const commits = [await tenant.write(bert), await tenant.write(anna)];
    expect(await again.push(tenant.dbId, ...commits)).toMatchObject([
      { status: "accepted", seq: 0 },
      { status: "accepted", seq: 1 },
    ]);
  });
});
