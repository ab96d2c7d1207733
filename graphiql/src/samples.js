import runEvents from "./operations/run_events.graphql?raw";
import startRun from "./operations/start_run.graphql?raw";
import viewer from "./operations/viewer.graphql?raw";

/** The tabs of a first visit, in the order in which a newcomer wants them. */
export const SAMPLES = [
  { query: viewer },
  { query: startRun, variables: pretty({ input: { agentId: "", message: "Say hello in five words." } }) },
  { query: runEvents, variables: pretty({ runId: "", after: 0 }) },
];

function pretty(variables) {
  return JSON.stringify(variables, null, 2);
}
