// changes.mjs OLD.graphql NEW.graphql
//
// Prints what graphql-inspector finds between two schemas, as a JSON list of { level, message }; the levels are
// BREAKING, DANGEROUS and NON_BREAKING.

import { readFileSync } from "node:fs";
import { diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const [older, newer] = process.argv.slice(2).map((file) => buildSchema(readFileSync(file, "utf8")));
const changes = await diff(older, newer);
console.log(JSON.stringify(changes.map(({ criticality, message }) => ({ level: criticality.level, message }))));
