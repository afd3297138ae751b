// SPDX-License-Identifier: MIT
// Holds the OpenAPI document of a server (its URL is the argument) against the published schema of
// OpenAPI; prints {version, valid, errors}.
import { Validator } from "@seriousme/openapi-schema-validator";

const answer = await fetch(process.argv[2] + "/api/v1/openapi.json");
const validator = new Validator();
const { valid, errors } = await validator.validate(await answer.json());
console.log(JSON.stringify({ version: validator.version, valid, errors }));
