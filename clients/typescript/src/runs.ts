import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "@urql/core";
import { toAsyncIterable } from "wonka";
import type { Session } from "./client.ts";
import { ApiError, isUnauthenticated } from "./errors.ts";
import { RunEventsDocument, type RunEventsSubscription } from "./generated/graphql.ts";

export type RunEvent = RunEventsSubscription["runEvents"];

const MAX_FAILURES = 10;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Every event of a run after the sequence number `after`, once and in order, to the end of the run.
 *
 * Lost connections, restarts of the server and expired tokens are taken in stride: the stream goes on after the last
 * event that came. To go on in another process, keep that event's `seq`.
 *
 * @throws {CombinedError} the server refuses, or does not come back.
 */
export async function* followRun(
  client: Client,
  session: Session,
  runId: string,
  after = 0,
): AsyncGenerator<RunEvent, void> {
  for (let failures = 0; ; failures++) {
    let lost: unknown = new Error("The stream ended before the run did.");
    for await (const { data, error } of toAsyncIterable(client.subscription(RunEventsDocument, { runId, after }))) {
      if (error) {
        if (isUnauthenticated(error)) session.expire();
        else if (!error.networkError || error.networkError instanceof ApiError) throw error;
        lost = error;
        break;
      }
      const event = data!.runEvents;
      const first = "firstSeq" in event ? event.firstSeq : event.seq;
      if (first !== after + 1) {
        lost = new Error(`Event ${after + 1} was expected, and ${first} came.`);
        break;
      }
      yield event;
      if (event.__typename === "RunFinished") return;
      after = event.seq;
      failures = 0;
    }
    if (failures === MAX_FAILURES) throw lost;
    await sleep(Math.min(LONGEST_PAUSE_MS, 100 * 2 ** failures) * Math.random());
  }
}
