import { createHash } from "node:crypto";
import type { RunEvent } from "./runs.ts";

/** What the models of a run have said, and still stand by. */
export class Transcript {
  #pieces: { seq: number; stepId: string; text: string }[] = [];

  take(event: RunEvent): void {
    switch (event.__typename) {
      case "TextDelta":
        this.#pieces.push(event);
        break;
      case "RunRewound":
        // The worker or the provider failed in the middle of this step, and it begins again.
        this.#pieces = this.#pieces.filter(({ seq, stepId }) => stepId !== event.stepId || seq <= event.toSeq);
        break;
      // All other events, those of later versions included, change nothing about the text.
    }
  }

  get text(): string {
    return this.#pieces.map(({ text }) => text).join("");
  }

  /** Whether this is the whole text: `textSha256` comes with RunFinished. */
  matches(textSha256: string): boolean {
    return createHash("sha256").update(this.text, "utf8").digest("hex") === textSha256;
  }
}
