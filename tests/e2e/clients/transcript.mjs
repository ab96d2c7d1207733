// transcript.mjs EVENTS_JSON
//
// Prints the text that stands after these events, as JSON.

import { Transcript } from "../../../clients/typescript/src/transcript.ts";

const transcript = new Transcript();
for (const event of JSON.parse(process.argv[2])) transcript.take(event);
console.log(JSON.stringify(transcript.text));
